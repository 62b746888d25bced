"""LaGoVAD's public checkpoints: the names of its code. CLIP's own weights are not in them."""

from __future__ import annotations

from mmvad.models.peers.lagovad.network import LaGoVad
from mmvad.models.peers.public_weights import Part, Source, Sources, renamed

IDLE = (r"temporal_encoder\.embed_positions\..*", r"clip_text_model\.model\..*")
"""A table of fixed sines; CLIP, where a checkpoint has it."""


def sources(model: LaGoVad) -> Sources:
    found = {
        "texts.vectors": Source(("clip_text_model.prompt_embedding.weight",)),
        "temperature": Source(("sim_head.sim_head.temperature",)),
        "balance": Source(("bin_head.adp_alpha",)),
        **renamed("before", "bin_head.bin_head.convs.0"),
        **renamed("after", "bin_head.bin_fused_head.convs.0"),
    }
    for i in range(len(model.temporal.layers)):
        found |= temporal_layer(f"temporal.layers.{i}", f"temporal_encoder.layer.{i}")
    for i in range(len(model.fusion)):
        for ours, theirs in (("texts", "text"), ("video", "vis")):
            found |= reading(f"fusion.{i}.{ours}", f"fusion.layers.{i}.{theirs}")
    return found


def temporal_layer(ours: str, theirs: str) -> Sources:
    names = ("query", "key", "value")
    found = {
        key: s for name in names for key, s in renamed(f"{ours}.{name}", f"{theirs}.attention.self.{name}").items()
    }
    return {
        **found,
        **renamed(f"{ours}.output", f"{theirs}.attention.output.dense"),
        **renamed(f"{ours}.norm", f"{theirs}.attention.output.LayerNorm"),
        **renamed(f"{ours}.widen", f"{theirs}.intermediate.dense"),
        **renamed(f"{ours}.narrow", f"{theirs}.output.dense"),
        **renamed(f"{ours}.norm_ffn", f"{theirs}.output.LayerNorm"),
    }


def reading(ours: str, theirs: str) -> Sources:
    return {
        f"{ours}.attention.in_proj_weight": Source((f"{theirs}_attn.in_proj_weight",)),
        f"{ours}.attention.in_proj_bias": Source((f"{theirs}_attn.in_proj_bias",)),
        **renamed(f"{ours}.attention.out_proj", f"{theirs}_attn.out_proj"),
        **renamed(f"{ours}.ffn.0", f"{theirs}_ffn.0"),
        **renamed(f"{ours}.ffn.3", f"{theirs}_ffn.3"),
        **renamed(f"{ours}.norm", f"{theirs}_norm1"),
        **renamed(f"{ours}.norm_ffn", f"{theirs}_norm2"),
    }


PUBLIC = {"weights": Part(sources, IDLE)}
