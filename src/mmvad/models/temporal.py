"""The temporal unit on the visual path (eq. 1): windowed self-attention, then graphs of similarity and distance.

Padding takes part in nothing: not in attention, not in a graph's rows or columns, not in a convolution. Layers work on
the rows [R, d] of a layout, which the network chooses once a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.errors import UserError
from mmvad.models.convolution import rows_along_time
from mmvad.models.graph_convolution import GraphConvolution, branched
from mmvad.models.layout import Layout, dropped, mix, packs, spread
from mmvad.models.prompts import FeedForward
from mmvad.models.text_encoder import QuickGELU

SIMILARITY_CUT = 0.7
WIDEST_FLASH = 256
PLACED = ("local_gcn", "local", "global", "gcn")
"""Kinds with learned positions, which end at the L that they were made for."""


class AttentionLayer(nn.Module):
    """One pre-norm transformer layer whose attention stays inside windows of `window` segments (0: everywhere)."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm_attention, self.norm_ffn = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.ffn = FeedForward(width, zero_last=True)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Rows [R, d] -> [R, d]."""
        x = x + self.output(mix(self.attend, self.inputs(self.norm_attention(x)), layout.windows(self.window)))
        return x + self.ffn(self.norm_ffn(x))

    def attend(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Queries, keys and values [N, n, 3d], keys by mask bool [N, n] -> [N, n, d]."""
        keys = mask[:, None, None]
        keys = keys | ~keys.any(-1, keepdim=True)  # a window of padding attends to itself: no NaN, and no one reads it
        q, k, v = inputs.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return attention(q, k, v, keys).transpose(1, 2).flatten(2)


def attention(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, dropout: float = 0.0) -> Tensor:
    """softmax(q k^T / sqrt(d)) v over the keys: [N, heads, n, d] each, bool [N, 1, 1 or n, n] -> [N, heads, n, d].

    On CUDA written out for heads that no flash kernel takes: what torch falls back to spends a sixth of the whole
    network's time in its backward pass. On the CPU with dropout, where torch writes it out too and draws it slowly.

    Args:
        dropout: how much of the softmax is dropped; 0 at test.
    """
    if (q.is_cuda and q.shape[-1] > WIDEST_FLASH) or (dropout and packs(q)):
        return written_out_attention(q, k, v, keys, dropout)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=keys, dropout_p=dropout)


def written_out_attention(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, dropout: float = 0.0) -> Tensor:
    """The same by its formula; q is scaled before the product, which half precision could not hold otherwise."""
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)
    weights = scores.float().masked_fill(~keys, float("-inf")).softmax(dim=-1).to(v.dtype)
    return dropped(weights, dropout) @ v


class GraphBranches(nn.Module):
    """Two graph branches, feature similarity and temporal distance, concatenated and projected."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        half = width // 2
        self.similarity = nn.ModuleList([GraphConvolution(width, half), GraphConvolution(half, half)])
        self.distance = nn.ModuleList([GraphConvolution(width, half), GraphConvolution(half, half)])
        self.activation, self.dropout = QuickGELU(), nn.Dropout(dropout)
        self.output = nn.Linear(2 * half, width)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Rows [R, d] -> [R, d]."""
        grids = layout.windows(0)
        similarity = [similarity_graph(part, grid.mask) for grid, part in spread(x, grids)]
        distance = [distance_kernel(grid.mask.shape[1], x.device) for grid in grids]
        branches = [list(cast(Iterable[GraphConvolution], each)) for each in (self.similarity, self.distance)]
        graphs = similarity, distance
        return self.output(branched(branches, graphs, x, layout, lambda rows: self.activated(rows, layout)))

    def activated(self, rows: Tensor, layout: Layout) -> Tensor:
        return layout.dropout(self.activation(rows), self.dropout)


def similarity_graph(x: Tensor, mask: Tensor) -> Tensor:
    """Softmax of cos(x_i, x_j) over the valid j above 0.7; others get no weight: [B, L, L], 0 on padding columns.

    The lineage sets what is below the cut to 0 before the softmax, where it still weighs e^0: every segment then sees
    the mean of its whole video, and a video-level label can be learned without finding where. Here a cut is a cut.
    """
    unit = F.normalize(x.float(), dim=-1)
    with torch.autocast(x.device.type, enabled=False):  # bfloat16 would move cosines across the cut
        cosine = unit @ unit.transpose(1, 2)
    itself = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    kept = ((cosine > SIMILARITY_CUT) & mask.unsqueeze(1)) | itself
    return cosine.masked_fill(~kept, float("-inf")).softmax(dim=-1) * mask.unsqueeze(1)


def distance_graph(mask: Tensor) -> Tensor:
    """exp(-|i - j| / e), not normalised: float32 [B, L, L], 0 on padding columns."""
    return distance_kernel(mask.shape[1], mask.device) * mask.unsqueeze(1)


def distance_kernel(length: int, device: torch.device) -> Tensor:
    """exp(-|i - j| / e), not normalised: float32 [L, L]."""
    position = torch.arange(length, device=device, dtype=torch.float32)
    return torch.exp(-(position[:, None] - position[None, :]).abs() / math.e)


class LocalConvolution(nn.Module):
    """x + ReLU(Conv(x)), the convolution over three segments."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Rows [R, d] -> [R, d]."""
        kernel, bias = self.convolution.parameters()
        return x + F.relu(rows_along_time(x, kernel, bias, layout))


class TemporalSettings(NamedTuple):
    """`model.temporal` and what belongs to it; window in segments."""

    kind: str
    layers: int
    heads: int
    window: int
    dropout: float = 0.0


class TemporalUnit(nn.Module):
    """V' = TU(V) (eq. 1): `local_gcn` (windowed attention, then graphs), `local`, `global`, `gcn`, `conv`, `none`.

    `conv` is ours: a convolution over three segments, without learned positions, so for videos of any length.
    """

    def __init__(self, width: int, length: int, settings: TemporalSettings) -> None:
        super().__init__()
        attends = settings.kind in {"local_gcn", "local", "global"}
        if attends and width % settings.heads:
            raise UserError(
                f"model.heads: {settings.heads}", f"does not divide the width {width}", expected="a divisor of it"
            )
        window = 0 if settings.kind == "global" else settings.window
        placed = settings.kind in PLACED
        self.positions = nn.Parameter(torch.empty(length, width).normal_(std=0.01)) if placed else None
        self.convolution = LocalConvolution(width) if settings.kind == "conv" else None
        self.layers = nn.ModuleList(
            AttentionLayer(width, settings.heads, window) for _ in range(settings.layers if attends else 0)
        )
        self.graphs = GraphBranches(width, settings.dropout) if settings.kind in {"local_gcn", "gcn"} else None

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Rows [R, d] -> [R, d]; L at most the length that the positions were made for."""
        if self.positions is not None:
            x = x + layout.of_positions(self.positions)
        if self.convolution is not None:
            x = self.convolution(x, layout)
        for layer in cast(Iterable[AttentionLayer], self.layers):
            x = layer(x, layout)
        return x if self.graphs is None else x + self.graphs(x, layout)
