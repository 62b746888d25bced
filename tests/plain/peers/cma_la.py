"""CMA-LA in its plainest form: one video's n valid segments, the attention segment by segment."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.peers.cma_la.network import CmaLa
from tests.plain.network import layer_norm, linear
from tests.plain.objectives import top_k_mean


def forward(model: CmaLa, visual: Tensor, audio: Tensor) -> Tensor:
    """Logits [n] of one video."""
    a, rows = model.attention, []
    for i in range(len(visual)):
        query, weights = linear(a.query, audio[i]), []
        for j in range(len(visual)):
            kernel = torch.exp(-torch.abs(a.distance_weight[0] * (i - j) ** 2 + a.distance_bias[0]))
            weights.append(torch.exp(query @ linear(a.key, visual[j]) / math.sqrt(128) + kernel))
        found = sum(w * linear(a.value, visual[j]) for j, w in enumerate(weights)) / sum(weights)
        rows.append(visual[i] + linear(a.output, found))
    x = layer_norm(model.norm, torch.stack(rows))
    hidden = linear(model.ffn[3], F.gelu(linear(model.ffn[0], x)))
    kernel, logits = model.causal.weight[0], []
    for t in range(len(hidden)):
        past = [hidden[t - back] @ kernel[:, 6 - back] for back in range(7) if t - back >= 0]
        logits.append(sum(past, model.causal.bias[0]))
    return torch.stack(logits)


def bag_loss(logits: Sequence[Tensor], abnormal: Sequence[bool], *, twice: bool) -> Tensor:
    total = torch.zeros(())
    for z, y in zip(logits, abnormal):
        p = top_k_mean([1 / (1 + torch.exp(-x)) for x in z])
        p = 1 / (1 + torch.exp(-p)) if twice else p
        total = total - torch.log(p if y else 1 - p)
    return total / len(logits)
