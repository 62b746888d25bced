"""UR-DMU's public checkpoints: the names of its code."""

from __future__ import annotations

from mmvad.models.peers.public_weights import Part, Source, Sources, renamed
from mmvad.models.peers.ur_dmu.network import UrDmu


def sources(model: UrDmu) -> Sources:
    found: Sources = renamed("embed", "embedding.conv_1.0")
    for i in range(len(model.blocks)):
        found |= block(f"blocks.{i}", f"selfatt.layers.{i}")
    return {
        **found,
        "abnormal.slots": Source(("Amemory.memory_block",)),
        "normal.slots": Source(("Nmemory.memory_block",)),
        **renamed("mean", "encoder_mu.0"),
        **renamed("log_variance", "encoder_var.0"),
        **renamed("classify.0", "cls_head.mlp.0"),
        **renamed("classify.2", "cls_head.mlp.2"),
    }


def block(ours: str, theirs: str) -> Sources:
    return {
        **renamed(f"{ours}.norm_attention", f"{theirs}.0.norm"),
        **renamed(f"{ours}.norm_ffn", f"{theirs}.1.norm"),
        **renamed(f"{ours}.attention.inputs", f"{theirs}.0.fn.to_qkv", bias=False),
        **renamed(f"{ours}.attention.output.0", f"{theirs}.0.fn.to_out.0"),
        **renamed(f"{ours}.ffn.0", f"{theirs}.1.fn.net.0"),
        **renamed(f"{ours}.ffn.3", f"{theirs}.1.fn.net.3"),
    }


PUBLIC = {"weights": Part(sources)}
