"""CPL-VAD's pyramid (ActionFormer's): seven blocks of attention, each of the last five at half the length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.peers.magnitude import convolve

HEADS = 8
REACH = 4
"""Segments on either side that a block attends to; the last one sees all."""
SAME, HALVED = 2, 5
"""Blocks of full length, and blocks that halve it."""
LEVELS = HALVED + 1
MULTIPLE = 2**HALVED
SLOWEST = 10000.0
SMALL = 1e-4
"""What the gains of a block's two branches begin at."""


class Branch(nn.Module):
    """A learned gain a channel; in training a share of the videos goes without the branch. [B, L, d] -> same."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.gain, self.drop = nn.Parameter(torch.full((width,), SMALL)), nn.Dropout(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain * self.drop(x.new_ones(len(x), 1, 1))


class Read(nn.Module):
    """Lin LN of a convolution over three segments, channel by channel. [B, L, d] -> [B, ceil(L / stride), d]."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, stride, padding=1, groups=width, bias=False)
        self.norm, self.linear = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.linear(self.norm(convolve(self.conv, x, mask)))


class Block(nn.Module):
    """h = pool(x) + g A(LN x), then h + g' FFN(LN h). [B, L, d], bool [B, L] -> both of L / stride."""

    def __init__(self, width: int, stride: int, reach: int | None, drop_path: float) -> None:
        super().__init__()
        self.stride, self.reach = stride, reach
        self.norm, self.norm_ffn = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (Read(width, stride) for _ in range(3))
        self.output = nn.Linear(width, width)
        self.ffn = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.branch, self.branch_ffn = (Branch(width, drop_path) for _ in range(2))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        seen, later = self.norm(x), mask[:, :: self.stride]
        q, k, v = (
            read(seen, mask).unflatten(-1, (HEADS, -1)).transpose(1, 2) for read in (self.query, self.key, self.value)
        )
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=self.keys(later).unsqueeze(1))
        valid = later.unsqueeze(-1)
        x = (pooled(x, mask, self.stride) + self.branch(self.output(found.transpose(1, 2).flatten(2)))) * valid
        return x + self.branch_ffn(self.ffn(self.norm_ffn(x))) * valid, later

    def keys(self, mask: Tensor) -> Tensor:
        """Valid segments within reach, and itself, so that padding reads something: bool [B, L, L]."""
        position = torch.arange(mask.shape[1], device=mask.device)
        apart = (position[:, None] - position[None, :]).abs()
        near = apart <= (mask.shape[1] if self.reach is None else self.reach)
        return (near & mask.unsqueeze(1)) | (apart == 0)


def pooled(x: Tensor, mask: Tensor, stride: int) -> Tensor:
    """Largest of every `stride`-th segment and its neighbours; x itself for a stride of 1. [B, L, d]."""
    if stride == 1:
        return x
    filled = x.masked_fill(~mask.unsqueeze(-1), torch.finfo(x.dtype).min)
    return F.max_pool1d(filled.transpose(1, 2), stride + 1, stride, padding=1).transpose(1, 2)


class Pyramid(nn.Module):
    """Two convolutions with LN and ReLU, sinusoids / sqrt(d), the blocks; of the last six an LN.

    [B, L, d_in], L a multiple of 32, bool [B, L] -> six levels, features [B, L / 2^l, d] and masks.
    """

    def __init__(self, width_in: int, width: int, drop_path: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(w, width, 3, padding=1, bias=False) for w in (width_in, width))
        self.conv_norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        strides, last = [1] * SAME + [2] * HALVED, SAME + HALVED - 1
        self.blocks = nn.ModuleList(
            Block(width, stride, None if i == last else REACH, drop_path) for i, stride in enumerate(strides)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(LEVELS))

    def forward(self, x: Tensor, mask: Tensor) -> list[tuple[Tensor, Tensor]]:
        for conv, norm in zip(self.convs, self.conv_norms, strict=True):
            x = F.relu(norm(convolve(cast(nn.Conv1d, conv), x, mask)))
        x = (x + sinusoids(x.shape[1], x.shape[2], x.device) / x.shape[2] ** 0.5) * mask.unsqueeze(-1)
        levels = []
        for block in cast(Iterable[Block], self.blocks):
            x, mask = block(x, mask)
            levels.append((x, mask))
        return [(norm(x), mask) for norm, (x, mask) in zip(self.norms, levels[SAME - 1 :], strict=True)]


def sinusoids(length: int, width: int, device: torch.device) -> Tensor:
    """sin(t / 10000^(2 i / d)) and cos of it, in turn: float32 [L, d]."""
    rates = SLOWEST ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angle = torch.arange(length, device=device, dtype=torch.float32)[:, None] * rates
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
