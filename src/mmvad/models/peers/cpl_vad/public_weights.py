"""CPL-VAD's public checkpoints: the names of its code, the second network's and, where there is one, the first's."""

from __future__ import annotations

from mmvad.models.peers.cpl_vad.network import CplVad, PyramidBranches
from mmvad.models.peers.cpl_vad.pyramid import HALVED, LEVELS, SAME
from mmvad.models.peers.public_weights import Part, Source, Sources, renamed

IDLE = (r"clipmodel\..*",)
MARKS = ("level_text_prompt_embeddings.weight", "normal_text_prompt_embeddings.weight")


def second(model: CplVad) -> Sources:
    own = {
        "second.texts.rows": Source(("text_prompt_embeddings.weight",)),
        "second.texts.marked": Source(MARKS),
    }
    return own | branches(model.second, "second")


def first(model: CplVad) -> Sources:
    return {"first.texts.texts.rows": Source(("text_prompt_embeddings.weight",))} | branches(model.first, "first")


def branches(network: PyramidBranches, ours: str) -> Sources:
    found = renamed(f"{ours}.classify", "fg_head.cls_head.conv")
    for i in range(len(network.hidden)):
        found |= renamed(f"{ours}.pyramid.convs.{i}", f"embd.{i}.conv", bias=False)
        found |= renamed(f"{ours}.pyramid.conv_norms.{i}", f"embd_norm.{i}")
        found |= renamed(f"{ours}.hidden.{i}", f"fg_head.head.{i}.conv", bias=False)
        found |= renamed(f"{ours}.norms.{i}", f"fg_head.norm.{i}")
    for i in range(SAME + HALVED):
        found |= block(f"{ours}.pyramid.blocks.{i}", f"stem.{i}" if i < SAME else f"branch.{i - SAME}")
    for i in range(LEVELS):
        found |= renamed(f"{ours}.pyramid.norms.{i}", f"neck.fpn_norms.{i}")
        for j in range(2):
            found |= renamed(f"{ours}.ffns.{i}.{j}.0", f"mlp{j + 1}.{i}.c_fc")
            found |= renamed(f"{ours}.ffns.{i}.{j}.2", f"mlp{j + 1}.{i}.c_proj")
    return found


def block(ours: str, theirs: str) -> Sources:
    found = {
        f"{ours}.branch.gain": Source((f"{theirs}.drop_path_attn.scale",)),
        f"{ours}.branch_ffn.gain": Source((f"{theirs}.drop_path_mlp.scale",)),
        **renamed(f"{ours}.norm", f"{theirs}.ln1"),
        **renamed(f"{ours}.norm_ffn", f"{theirs}.ln2"),
        **renamed(f"{ours}.output", f"{theirs}.attn.proj"),
        **renamed(f"{ours}.ffn.0", f"{theirs}.mlp.0"),
        **renamed(f"{ours}.ffn.2", f"{theirs}.mlp.3"),
    }
    for name in ("query", "key", "value"):
        found |= renamed(f"{ours}.{name}.conv", f"{theirs}.attn.{name}_conv.conv", bias=False)
        found |= renamed(f"{ours}.{name}.norm", f"{theirs}.attn.{name}_norm")
        found |= renamed(f"{ours}.{name}.linear", f"{theirs}.attn.{name}")
    return found


PUBLIC = {"weights": Part(second, IDLE), "first": Part(first, IDLE, scored=lambda model: False)}
