"""VadCLIP's public checkpoints: the names of its code. CLIP's own weights in them are not read."""

from __future__ import annotations

from mmvad.models.peers.public_weights import Part, Source, Sources, graph_branch, renamed
from mmvad.models.peers.vadclip.network import VadCLIP, VisualEncoder

IDLE = (r"clipmodel\..*", r"disAdj\..*")


def sources(model: VadCLIP) -> Sources:
    return visual_encoder(model.visual, "visual") | branches("branches")


def visual_encoder(encoder: VisualEncoder, ours: str) -> Sources:
    found: Sources = {f"{ours}.positions": Source(("frame_position_embeddings.weight",))}
    for i in range(len(encoder.layers)):
        found |= attention_layer(f"{ours}.layers.{i}", f"temporal.resblocks.{i}")
    return {
        **found,
        **graph_branch(f"{ours}.similarity", "gc1", "gc2"),
        **graph_branch(f"{ours}.distance", "gc3", "gc4"),
        **renamed(f"{ours}.output", "linear"),
    }


def attention_layer(ours: str, theirs: str) -> Sources:
    return {
        **renamed(f"{ours}.norm_attention", f"{theirs}.ln_1"),
        **renamed(f"{ours}.norm_ffn", f"{theirs}.ln_2"),
        f"{ours}.inputs.weight": Source((f"{theirs}.attn.in_proj_weight",)),
        f"{ours}.inputs.bias": Source((f"{theirs}.attn.in_proj_bias",)),
        **renamed(f"{ours}.output", f"{theirs}.attn.out_proj"),
        **renamed(f"{ours}.ffn.0", f"{theirs}.mlp.c_fc"),
        **renamed(f"{ours}.ffn.2", f"{theirs}.mlp.c_proj"),
    }


def branches(ours: str) -> Sources:
    return {
        f"{ours}.texts.rows": Source(("text_prompt_embeddings.weight",)),
        **renamed(f"{ours}.ffn.0", "mlp2.c_fc"),
        **renamed(f"{ours}.ffn.2", "mlp2.c_proj"),
        **renamed(f"{ours}.prompt_ffn.0", "mlp1.c_fc"),
        **renamed(f"{ours}.prompt_ffn.2", "mlp1.c_proj"),
        **renamed(f"{ours}.classifier", "classifier"),
    }


PUBLIC = {"weights": Part(sources, IDLE)}
