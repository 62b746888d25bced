"""DSANet's public checkpoints: the names of its code. CLIP's own weights in them are not read."""

from __future__ import annotations

from mmvad.models.peers.dsanet.network import DsaNet
from mmvad.models.peers.public_weights import Part, Source, Sources, renamed
from mmvad.models.peers.vadclip.public_weights import IDLE, visual_encoder

REFINER = "video_anomaly_refiner"


def sources(model: DsaNet) -> Sources:
    found = visual_encoder(model.visual, "visual")
    for ours, theirs in (("prompt_ffn", "mlp1"), ("ffn", "mlp2"), ("normality.bottleneck", f"{REFINER}.bottleneck")):
        found |= renamed(f"{ours}.0", f"{theirs}.c_fc") | renamed(f"{ours}.2", f"{theirs}.c_proj")
    adapters = len(model.texts.adapters)
    for i in range(adapters):
        found |= renamed(f"texts.adapters.{i}", f"clip_adapter.text_adapter.{i}.fc.0", bias=False)
    found |= renamed("texts.project", f"clip_adapter.text_adapter.{adapters}.fc.0", bias=False)
    found |= {"normality.prototypes": Source((f"{REFINER}.video_prototypes",))}
    found |= block("normality.gather", f"{REFINER}.dnp_extractor.0")
    for i in range(len(model.normality.decoder)):
        ours, theirs = f"normality.decoder.{i}", f"{REFINER}.decoder.{i}"
        found |= block(ours, theirs) | {f"{ours}.attention.scale": Source((f"{theirs}.attn.learn_scale",))}
    return found | renamed("classifier", "classifier")


def block(ours: str, theirs: str) -> Sources:
    return {
        **renamed(f"{ours}.attention.norm", f"{theirs}.norm1"),
        **renamed(f"{ours}.attention.query", f"{theirs}.attn.q"),
        **renamed(f"{ours}.attention.key_value", f"{theirs}.attn.kv"),
        **renamed(f"{ours}.attention.output", f"{theirs}.attn.proj"),
        **renamed(f"{ours}.norm", f"{theirs}.norm2"),
        **renamed(f"{ours}.ffn.0", f"{theirs}.mlp.fc1"),
        **renamed(f"{ours}.ffn.2", f"{theirs}.mlp.fc2"),
    }


PUBLIC = {"weights": Part(sources, (*IDLE, r"clip_adapter\.clipmodel\..*"))}
