"""LaGoVAD's temporal encoder: attention inside of a window, positions as rotations of queries and keys (RoFormer)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 4
EPSILON = 1e-12
SLOWEST = 10000.0
"""Segment t turns the i-th pair of a head's d numbers by t / 10000^(2 i / d)."""


class RotaryLayer(nn.Module):
    """h = LN(x + W softmax(q k^T / sqrt(d_h)) v), then LN(h + FFN(h)); q and k are turned. [B, L, d] -> same."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm_ffn = nn.LayerNorm(width, eps=EPSILON)
        self.weights_dropout, self.dropout = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Reads the segments `seen`, bool [B, L, L]."""
        q, k, v = (layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        share = self.weights_dropout.p if self.training else 0.0
        found = F.scaled_dot_product_attention(turned(q), turned(k), v, attn_mask=seen.unsqueeze(1), dropout_p=share)
        x = self.norm(x + self.dropout(self.output(found.transpose(1, 2).flatten(2))))
        return self.norm_ffn(x + self.dropout(self.narrow(F.gelu(self.widen(x)))))


def turned(x: Tensor) -> Tensor:
    """Neighbouring numbers as pairs, each turned by its segment's angle: [..., L, d] -> same."""
    length, width = x.shape[-2:]
    rates = SLOWEST ** (-torch.arange(0, width, 2, device=x.device, dtype=torch.float32) / width)
    angle = torch.arange(length, device=x.device, dtype=torch.float32)[:, None] * rates
    first, second = x[..., ::2], x[..., 1::2]
    sin, cos = angle.sin().to(x.dtype), angle.cos().to(x.dtype)
    return torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-1).flatten(-2)


class TemporalEncoder(nn.Module):
    """x + layers(x). [B, L, d], mask bool [B, L] -> [B, L, d]."""

    def __init__(self, width: int, layers: int, window: int, dropout: float) -> None:
        super().__init__()
        self.reach = (window - 1) // 2
        self.layers = nn.ModuleList(RotaryLayer(width, dropout) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        found, seen = x, self.seen(mask)
        for layer in cast(Iterable[RotaryLayer], self.layers):
            found = layer(found, seen)
        return x + found

    def seen(self, mask: Tensor) -> Tensor:
        """Valid segments at most `reach` away, and itself, so that padding reads something: bool [B, L, L]."""
        position = torch.arange(mask.shape[1], device=mask.device)
        apart = (position[:, None] - position[None, :]).abs()
        return ((apart <= self.reach) & mask.unsqueeze(1)) | (apart == 0)
