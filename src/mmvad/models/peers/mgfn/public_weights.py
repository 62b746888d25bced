"""MGFN's public checkpoints: the names of its code."""

from __future__ import annotations

from mmvad.models.peers.mgfn.network import STAGES, Mgfn
from mmvad.models.peers.public_weights import Part, Source, Sources, batch_norm, renamed


def sources(model: Mgfn) -> Sources:
    del model
    found: Sources = {}
    for stage, (_, layers) in enumerate(STAGES):
        for i in range(layers):
            found |= layer(f"levels.{stage}.{i}", f"stages.{stage}.0.layers.{i}", focus=stage > 0)
        if stage < len(STAGES) - 1:
            found |= channel_norm(f"widen.{stage}.0", f"stages.{stage}.1.0")
            found |= renamed(f"widen.{stage}.1", f"stages.{stage}.1.1")
    outer = {"feature": "to_tokens", "norm": "to_mag", "last": "to_logits.0", "score": "fc"}
    return found | {key: value for ours, theirs in outer.items() for key, value in renamed(ours, theirs).items()}


def layer(ours: str, theirs: str, *, focus: bool) -> Sources:
    return {
        **renamed(f"{ours}.near", f"{theirs}.0"),
        **(focus_block if focus else glance_block)(f"{ours}.attention", f"{theirs}.1"),
        **renamed(f"{ours}.attention.output", f"{theirs}.1.to_out"),
        **channel_norm(f"{ours}.ffn.0", f"{theirs}.2.0"),
        **renamed(f"{ours}.ffn.1", f"{theirs}.2.1"),
        **renamed(f"{ours}.ffn.3", f"{theirs}.2.4"),
    }


def glance_block(ours: str, theirs: str) -> Sources:
    return channel_norm(f"{ours}.norm", f"{theirs}.norm") | renamed(f"{ours}.inputs", f"{theirs}.to_qkv", bias=False)


def focus_block(ours: str, theirs: str) -> Sources:
    return {
        **batch_norm(f"{ours}.norm.norm", f"{theirs}.norm"),
        **renamed(f"{ours}.input", f"{theirs}.to_v", bias=False),
        **renamed(f"{ours}.kernel", f"{theirs}.rel_pos"),
    }


def channel_norm(ours: str, theirs: str) -> Sources:
    return {f"{ours}.gain": Source((f"{theirs}.g",)), f"{ours}.bias": Source((f"{theirs}.b",))}


PUBLIC = {"weights": Part(sources)}
