"""The temporal unit on the visual path (eq. 1): windowed self-attention, then graphs of similarity and distance.

Padding takes part in nothing: not in attention, not in a graph's rows or columns, not in a convolution.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.errors import UserError
from mmvad.models.prompts import FeedForward
from mmvad.models.text_encoder import QuickGELU

SIMILARITY_CUT = 0.7


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

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, L, d], mask bool [B, L] -> [B, L, d]."""
        x = x + self.attend(self.norm_attention(x), mask)
        return x + self.ffn(self.norm_ffn(x))

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, length, width = x.shape
        window = min(self.window, length) or length
        pad = -length % window
        x, mask = F.pad(x, (0, 0, 0, pad)), F.pad(mask, (0, pad))
        keys = mask.reshape(-1, 1, 1, window)
        keys = keys | ~keys.any(-1, keepdim=True)  # a window of padding attends to itself: no NaN, and no one reads it
        q, k, v = self.inputs(x).reshape(-1, window, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=keys)
        out = out.transpose(1, 2).reshape(batch, length + pad, width)[:, :length]
        return self.output(out)


class GraphConvolution(nn.Module):
    """A (x W) + R(x): R is the identity, or a convolution of 5 where the width changes. [B, L, d] -> [B, L, d_out]."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.weight = nn.Linear(width, width_out, bias=False)
        nn.init.xavier_uniform_(self.weight.weight)
        self.residual = nn.Identity() if width == width_out else nn.Conv1d(width, width_out, 5, padding=2)

    def forward(self, x: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
        """adjacency [B or 1, L, L]; padding columns are already zero in it."""
        x = x * mask.unsqueeze(-1)
        skip = self.residual(x.transpose(1, 2)).transpose(1, 2) if isinstance(self.residual, nn.Conv1d) else x
        return adjacency @ self.weight(x) + skip


class GraphBranches(nn.Module):
    """Two graph branches, feature similarity and temporal distance, concatenated and projected. [B, L, d] -> same."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        half = width // 2
        self.similarity = nn.ModuleList([GraphConvolution(width, half), GraphConvolution(half, half)])
        self.distance = nn.ModuleList([GraphConvolution(width, half), GraphConvolution(half, half)])
        self.activation, self.dropout = QuickGELU(), nn.Dropout(dropout)
        self.output = nn.Linear(2 * half, width)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        adjacencies = similarity_graph(x, mask), distance_graph(mask).to(x.dtype)
        branches = []
        for layers, adjacency in zip((self.similarity, self.distance), adjacencies, strict=True):
            h = x
            for layer in layers:
                h = self.dropout(self.activation(layer(h, adjacency.to(h.dtype), mask)))
            branches.append(h)
        return self.output(torch.cat(branches, dim=-1))


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
    place = torch.arange(mask.shape[1], device=mask.device, dtype=torch.float32)
    kernel = torch.exp(-(place[:, None] - place[None, :]).abs() / math.e)
    return kernel * mask.unsqueeze(1)


class TemporalSettings(NamedTuple):
    """`model.temporal` and what belongs to it; window in segments."""

    kind: str
    layers: int
    heads: int
    window: int
    dropout: float = 0.0


class TemporalUnit(nn.Module):
    """V' = TU(V) (eq. 1). Kinds: `local_gcn` (windowed attention, then graphs), `local`, `global`, `gcn`, `none`."""

    def __init__(self, width: int, length: int, settings: TemporalSettings) -> None:
        super().__init__()
        attends = settings.kind in {"local_gcn", "local", "global"}
        if attends and width % settings.heads:
            raise UserError(
                f"model.heads: {settings.heads}", f"does not divide the width {width}", expected="a divisor of it"
            )
        window = 0 if settings.kind == "global" else settings.window
        self.positions = nn.Parameter(torch.empty(length, width).normal_(std=0.01)) if settings.kind != "none" else None
        self.layers = nn.ModuleList(
            AttentionLayer(width, settings.heads, window) for _ in range(settings.layers if attends else 0)
        )
        self.graphs = GraphBranches(width, settings.dropout) if settings.kind in {"local_gcn", "gcn"} else None

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, L, d], mask bool [B, L] -> [B, L, d]; L at most the length that the positions were made for."""
        if self.positions is not None:
            x = x + self.positions[: x.shape[1]]
        for layer in self.layers:
            x = layer(x, mask)
        return x if self.graphs is None else x + self.graphs(x, mask)
