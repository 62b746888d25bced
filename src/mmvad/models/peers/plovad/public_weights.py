"""PLOVAD's public checkpoints: the names of its code. CLIP's own weights in them are not read."""

from __future__ import annotations

import torch
from torch import Tensor

from mmvad.models.peers.plovad.network import HEADS, Plovad
from mmvad.models.peers.public_weights import Part, Source, Sources, chain, renamed

IDLE = (r"clipmodel\..*", r"mlp1\..*", r"norm\..*", r"TM\.loc_adj\..*", r"TM\.self_attn\.attentions\..*")


def sources(model: Plovad) -> Sources:
    heads = [f"TM.self_attn.attention_{i}" for i in range(HEADS)]
    return {
        **chain("classify", {0: "classifier.0", 2: "classifier.2"}),
        **renamed("temporal.output", "TM.linear2"),
        **renamed("temporal.layer_norm", "TM.norm"),
        "temporal.attention.weight.weight": Source(tuple(f"{head}.weight" for head in heads), turned),
        "temporal.attention.ends": Source(tuple(f"{head}.a" for head in heads), ends),
        "temporal.attention.residual.weight": Source(tuple(f"{head}.residual.weight" for head in heads)),
        "temporal.attention.residual.bias": Source(tuple(f"{head}.residual.bias" for head in heads)),
        "log_scale": Source(("logit_scale",)),
        "texts.rows": Source(("embedding.weight",)),
    }


def turned(weights: Tensor) -> Tensor:
    """[H in, out] -> [H out, in]."""
    return torch.cat([part.T for part in weights.chunk(HEADS)])


def ends(vectors: Tensor) -> Tensor:
    """Of every head the first end's and then the second's: [H 2 d, 1] -> [H, 2, d]."""
    return vectors.reshape(HEADS, 2, -1)


PUBLIC = {"weights": Part(sources, IDLE)}
