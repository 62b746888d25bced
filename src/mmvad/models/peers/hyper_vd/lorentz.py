"""The hyperboloid of curvature -1: points (t, s) with t^2 - |s|^2 = 1, and <x, y> = -t_x t_y + s_x s_y.

Distances are computed in double precision: inner products of points far out are differences of large numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.peers.graphs import softmax_over_valid

FARTHEST = 10.0
"""Distance from the origin that a feature is put at, at most."""
NEAR = 0.8
"""Similarities exp(-distance) at or below it count as 0."""
LEAST_TIME = 1.1
SQUARE_LEAST, LEAST = 1e-9, 1e-8
SCALE = 10.0
"""How far a linear layer's time goes at the start."""


def lifted(x: Tensor) -> Tensor:
    """exp_0(x), a point: s = sinh(min(|x|, 10)) x / |x|, t = sqrt(1 + |s|^2). [..., d] -> [..., d+1]."""
    norm = x.square().sum(dim=-1, keepdim=True).clamp(min=SQUARE_LEAST).sqrt()
    return with_time(norm.clamp(max=FARTHEST).sinh() * x / norm)


def with_time(space: Tensor) -> Tensor:
    """The point whose space part is given: [..., d] -> [..., d+1]."""
    return torch.cat([(1 + space.square().sum(dim=-1, keepdim=True)).sqrt(), space], dim=-1)


def inner(x: Tensor, y: Tensor) -> Tensor:
    """<x_i, y_j>, [..., n, d] and [..., m, d] -> [..., n, m]."""
    signs = torch.ones(x.shape[-1], dtype=x.dtype, device=x.device)
    signs[0] = -1
    return (x * signs) @ y.transpose(-1, -2)


def similarity(points: Tensor, mask: Tensor) -> Tensor:
    """Softmax over valid j of exp(-d(x_i, x_j)), values <= 0.8 set to 0: double [B, L, d] -> float32 [B, L, L].

    d = arccosh(v), v = -<x_i, x_j>, so exp(-d) = 1 / (v + sqrt(v^2 - 1)). A point is 0 from itself.
    """
    excess = (-inner(points, points) - 1).clamp(min=0)
    itself = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    apart = (excess > 0) & ~itself
    excess = torch.where(apart, excess, 1)  # where they are not apart, no gradient of a root at 0
    near = torch.where(apart, 1 / (1 + excess + (excess * (excess + 2)).sqrt()), 1).float()
    return softmax_over_valid(torch.where(near > NEAR, near, 0), mask)


class LorentzLinear(nn.Module):
    """y = W drop(x) + b as a point: t = exp(c) sigmoid(y_0) + 1.1, s = y_1.. sqrt(t^2 - 1) / |y_1..|."""

    def __init__(self, width: int, width_out: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(width, width_out), nn.Dropout(dropout)
        self.log_scale = nn.Parameter(torch.tensor(math.log(SCALE)))
        bound = 1 / math.sqrt(width_out)
        nn.init.uniform_(self.linear.weight, -bound, bound)
        nn.init.zeros_(self.linear.bias)
        with torch.no_grad():
            self.linear.weight[:, 0] = 0

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, d] -> [B, L, d_out]."""
        y = self.linear(self.dropout(x))
        time = y[..., :1].sigmoid() * self.log_scale.exp() + LEAST_TIME
        space = y[..., 1:]
        stretch = (time.square() - 1) / space.square().sum(dim=-1, keepdim=True).clamp(min=LEAST)
        return torch.cat([time, space * stretch.sqrt()], dim=-1)


class LorentzGraph(nn.Module):
    """A linear layer, then each point's centroid over the graph, A h / sqrt(|<A h, A h>|), LeakyReLU and dropout."""

    def __init__(self, width: int, width_out: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.dropout = LorentzLinear(width, width_out, dropout), nn.Dropout(dropout)

    def forward(self, points: Tensor, adjacency: Tensor) -> Tensor:
        """[B, L, d], [B, L, L] zero on padding columns -> [B, L, d_out]."""
        joined = adjacency @ self.linear(points)
        square = joined[..., 1:].square().sum(dim=-1, keepdim=True) - joined[..., :1].square()
        return self.dropout(F.leaky_relu(joined / square.abs().clamp(min=LEAST).sqrt()))


class LorentzClassifier(nn.Module):
    """Logits 2 + 2 <x, c> + b, c a learned vector that begins as a random point. [B, L, d] -> [B, L]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.centre, self.bias = nn.Parameter(random_point(width)), nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return 2 + 2 * inner(x, self.centre.unsqueeze(0)).squeeze(-1) + self.bias


def random_point(width: int) -> Tensor:
    """A point in a random direction: of a normal vector of length 1, its Lorentz norm far from the origin. [d]."""
    direction = F.normalize(torch.randn(width), dim=0)
    norm = (direction[1:].square().sum() - direction[0].square()).clamp(min=SQUARE_LEAST).sqrt()
    return with_time(norm.sinh() / norm * direction[1:])
