"""Graphs over the segments of a video as the lineage of HL-Net builds them: adjacencies, and a branch of two layers.

All adjacencies are float32 and zero on padding columns; a network makes one a grid of whole videos. The distance graph
exp(-|i - j| / e) and the graph convolution A (x W) + R(x) are those of the temporal unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.graph_convolution import GraphConvolution, branched
from mmvad.models.layout import Layout
from mmvad.models.temporal import SIMILARITY_CUT

STEEPNESS, MIDDLE = 0.1, 0.5


def lineage_similarity(x: Tensor, mask: Tensor) -> Tensor:
    """Softmax over valid j of cos(x_i, x_j), values <= 0.7 set to 0, which still weigh e^0: [B, L, d] -> [B, L, L]."""
    unit = F.normalize(x.float(), dim=-1)
    with torch.autocast(x.device.type, enabled=False):  # bfloat16 would move cosines across the cut
        cosine = unit @ unit.transpose(1, 2)
    return softmax_over_valid(torch.where(cosine > SIMILARITY_CUT, cosine, 0), mask)


def normalised_distance(mask: Tensor) -> Tensor:
    """The distance graph exp(-|i - j| / e), each row scaled to sum 1 over valid segments: [B, L, L]."""
    position = torch.arange(mask.shape[1], device=mask.device, dtype=torch.float32)
    exponents = -(position[:, None] - position[None, :]).abs() / math.e
    return softmax_over_valid(
        exponents.expand(len(mask), -1, -1), mask
    )  # quotients would be 0 / 0 far from a short video


def score_graph(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over valid j of p(1 - |s_i - s_j|), p(v) = sigmoid((v - 0.5) / 0.1) (HL-Net): [B, L] -> [B, L, L]."""
    scores = scores.float()
    closeness = 1 - (scores.unsqueeze(2) - scores.unsqueeze(1)).abs()
    return softmax_over_valid(torch.sigmoid((closeness - MIDDLE) / STEEPNESS), mask)


def softmax_over_valid(values: Tensor, mask: Tensor) -> Tensor:
    """Rows of [B, L, L] as a softmax over the valid columns; padding columns get 0, padding rows mean nothing."""
    return values.masked_fill(~mask.unsqueeze(1), float("-inf")).softmax(dim=-1)


class GraphBranch(nn.Module):
    """The layers of a branch: graph convolutions a > b > b on one adjacency, each with activation and dropout."""

    def __init__(self, width: int, width_out: int, activation: nn.Module, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList([GraphConvolution(width, width_out), GraphConvolution(width_out, width_out)])
        self.activation, self.dropout = activation, nn.Dropout(dropout)


def graph_branches(
    branches: Sequence[GraphBranch], graphs: Sequence[Sequence[Tensor]], x: Tensor, layout: Layout
) -> Tensor:
    """What branches make of the same rows [R, a], joined: [R, b of each]. `graphs` as `branched` takes them."""
    first = branches[0]
    layers = [list(cast(Iterable[GraphConvolution], branch.layers)) for branch in branches]
    return branched(layers, graphs, x, layout, lambda h: layout.dropout(first.activation(h), first.dropout))
