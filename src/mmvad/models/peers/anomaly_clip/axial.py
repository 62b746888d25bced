"""AnomalyCLIP's temporal network: attention along segments and along the rows of each, then convolutions of both."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 8
EPSILON = 1e-5


class AxisAttention(nn.Module):
    """softmax(q k^T / sqrt(d_h)) v behind a norm, 8 heads, along the last axis but one. [..., n, d], bool [..., n]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width, bias=False), nn.Linear(width, 2 * width, bias=False)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        seen = self.norm(x)
        q, k, v = (
            part.unflatten(-1, (HEADS, -1)).transpose(-2, -3)
            for part in (self.query(seen), *self.key_value(seen).chunk(2, dim=-1))
        )
        keys = mask | ~mask.any(dim=-1, keepdim=True)  # a line of padding reads itself: no NaN, and no one reads it
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=keys[..., None, None, :])
        return self.output(found.transpose(-2, -3).flatten(-2))


class Convolutions(nn.Module):
    """Conv_3x3 LeakyReLU Conv_3x3 of (x - mean) / (deviation + eps) g + b over a cell's features. [B, S, P, d]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.first = nn.Conv2d(width, 4 * width, 3, padding=1)
        self.second = nn.Conv2d(4 * width, width, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        valid = mask.unsqueeze(1)
        deviation = x.var(dim=-1, unbiased=False, keepdim=True).clamp(min=1e-12).sqrt()
        x = (x - x.mean(dim=-1, keepdim=True)) / (deviation + EPSILON) * self.gain + self.bias
        x = F.leaky_relu(self.first(x.movedim(-1, 1) * valid)) * valid
        return self.second(x).movedim(1, -1)


class AxialNetwork(nn.Module):
    """Positions of segments and of rows; a = x + A(x), b = x + A'(a), a + C(b) = a', b + C'(a'); the mean of a', b'.

    A reads along the segments, A' along a segment's rows. Grids [B, S, P, d], bool [B, S, P] -> [B, S, P, d].
    """

    def __init__(self, width: int, segments: int, places: int) -> None:
        super().__init__()
        self.of_segments = nn.Parameter(torch.randn(segments, 1, width))
        self.of_places = nn.Parameter(torch.randn(places, width))
        self.along_segments, self.along_places = AxisAttention(width), AxisAttention(width)
        self.convolve_first, self.convolve_second = Convolutions(width), Convolutions(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.of_segments[: x.shape[1]] + self.of_places
        first = x + self.along_segments(x.transpose(1, 2), mask.transpose(1, 2)).transpose(1, 2)
        second = x + self.along_places(first, mask)
        first = first + self.convolve_first(second, mask)
        second = second + self.convolve_second(first, mask)
        return (first + second) / 2


def on_grid(x: Tensor, places: int) -> Tensor:
    """Rows as segments of `places`, the last filled up with zeros: [B, L, ...] -> [B, S, places, ...]."""
    more = -x.shape[1] % places
    padded = F.pad(x, (0, 0) * (x.dim() - 2) + (0, more))
    return padded.unflatten(1, (-1, places))


def off_grid(x: Tensor, length: int) -> Tensor:
    """The first `length` rows of a grid: [B, S, P, ...] -> [B, L, ...]."""
    return x.flatten(1, 2)[:, :length]
