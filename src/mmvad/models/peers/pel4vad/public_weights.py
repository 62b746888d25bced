"""PEL4VAD's public checkpoints: the names of its code."""

from __future__ import annotations

import torch

from mmvad.models.peers.pel4vad.network import PEL4VAD
from mmvad.models.peers.public_weights import Part, Source, Sources, chain, renamed


def sources(model: PEL4VAD) -> Sources:
    del model
    encoder = "self_attention"
    attention = f"{encoder}.self_attn"
    return {
        **chain("attention.inputs", {i: f"{attention}.{name}" for i, name in enumerate("qkv")}),
        **renamed("attention.output", f"{attention}.o"),
        **renamed("attention.layer_norm", f"{encoder}.norm"),
        "attention.distance_weight": Source((f"{encoder}.loc_adj.w",)),
        "attention.distance_bias": Source((f"{encoder}.loc_adj.b",)),
        "attention.balance": Source((f"{attention}.alpha",)),
        **renamed("first", f"{encoder}.linear1"),
        **renamed("second", f"{encoder}.linear2"),
        **renamed("scorer", "classifier"),
        "log_temperature": Source(("logit_scale",), torch.neg),
    }


PUBLIC = {"weights": Part(sources)}
