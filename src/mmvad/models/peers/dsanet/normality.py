"""DSANet's normality branch: a video's normal patterns, and the video rebuilt from them alone."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.pooling import mean_where, ranks
from mmvad.models.prompts import FeedForward

HEADS = 8
STEEP = 1e-8
"""Epsilon of the layer norms."""
SPREAD, CUT = 0.01, 0.03
"""Linear weights begin normal, of this deviation, cut at three of them."""


class CrossAttention(nn.Module):
    """Queries of x on keys and values of y, both through one norm. [B, P, d], [B, L, d], bool [B, L] -> [B, P, d].

    softmax(q k^T / sqrt(d_h)) v; or, where `rectified`, relu(c_h cos(q, k)) v with a learned c a head.
    """

    def __init__(self, width: int, *, rectified: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=STEEP)
        self.query, self.key_value, self.output = (nn.Linear(width, n * width) for n in (1, 2, 1))
        self.scale = nn.Parameter(torch.ones(HEADS, 1, 1)) if rectified else None

    def forward(self, x: Tensor, y: Tensor, keys: Tensor | None = None) -> Tensor:
        q = _heads(self.query(self.norm(x)))
        k, v = (_heads(part) for part in self.key_value(self.norm(y)).chunk(2, dim=-1))
        if self.scale is None:
            found = F.scaled_dot_product_attention(q, k, v, attn_mask=None if keys is None else keys[:, None, None])
        else:
            found = F.relu(F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * self.scale) @ v
        return self.output(found.transpose(1, 2).flatten(2))


def _heads(x: Tensor) -> Tensor:
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


class Block(nn.Module):
    """x + attention, or `rectified` attention alone; then a feed-forward part of GELU, residual."""

    def __init__(self, width: int, *, rectified: bool) -> None:
        super().__init__()
        self.attention, self.rectified = CrossAttention(width, rectified=rectified), rectified
        self.norm = nn.LayerNorm(width, eps=STEEP)
        self.ffn = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, y: Tensor, keys: Tensor | None = None) -> Tensor:
        found = self.attention(x, y, keys)
        x = found if self.rectified else x + found
        return x + self.ffn(self.norm(x))


class Normality(nn.Module):
    """The patterns N = block(prototypes, normal segments), and v rebuilt: FFN, then blocks of v on N.

    Normal segments are the lowest scored share of a video; they take no gradient.
    """

    def __init__(self, width: int, prototypes: int, layers: int, share: float) -> None:
        super().__init__()
        self.share = share
        self.prototypes = nn.Parameter(torch.randn(prototypes, width))
        self.gather, self.bottleneck = Block(width, rectified=False), FeedForward(width)
        self.decoder = nn.ModuleList(Block(width, rectified=True) for _ in range(layers))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=SPREAD, a=-CUT, b=CUT)
                nn.init.zeros_(module.bias)

    def forward(self, features: Tensor, scores: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """v [B, L, d], s [B, L], bool [B, L] -> v rebuilt [B, L, d]; mean distance of normal segments to N, scalar."""
        normal, chosen = features.detach(), lowest(scores.detach(), mask, self.share)
        patterns = self.gather(self.prototypes.expand(len(features), -1, -1), normal, chosen)
        with torch.autocast(features.device.type, enabled=False):
            unit = F.normalize(normal.float(), dim=-1) @ F.normalize(patterns.float(), dim=-1).transpose(1, 2)
        rebuilt = self.bottleneck(features)
        for block in self.decoder:
            rebuilt = cast(Block, block)(rebuilt, patterns)
        return rebuilt, mean_where((1 - unit).amin(dim=-1), chosen)


def lowest(scores: Tensor, mask: Tensor, share: float) -> Tensor:
    """Which are among a video's max(1, floor(share n)) lowest valid scores: [B, L], bool [B, L] -> bool [B, L]."""
    count = (mask.sum(dim=1, keepdim=True).double() * share).floor().clamp(min=1)
    return (ranks((-scores).masked_fill(~mask, float("-inf"))) < count) & mask
