"""HyperVD in its plainest form: one video's n valid segments, in double precision, distances pair by pair."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmvad.models.peers.hyper_vd.lorentz import LorentzGraph
from mmvad.models.peers.hyper_vd.network import HyperVd
from tests.plain.network import linear


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.01 * x)


def product(x: Tensor, y: Tensor) -> Tensor:
    """<x, y> of two points."""
    return -x[0] * y[0] + x[1:] @ y[1:]


def point(x: Tensor) -> Tensor:
    length = torch.sqrt(x @ x)
    space = torch.sinh(torch.clamp(length, max=10)) * x / length
    return torch.cat([torch.sqrt(1 + space @ space)[None], space])


def near(points: Tensor, i: int) -> Tensor:
    """Row i of the similarity graph."""
    found = []
    for j in range(len(points)):
        apart = torch.zeros(()) if i == j else torch.arccosh(-product(points[i], points[j]))
        value = torch.exp(-apart).item()
        found.append(math.exp(value if value > 0.8 else 0.0))
    return torch.tensor([value / sum(found) for value in found])


def layer(graph: LorentzGraph, points: Tensor, adjacency: Tensor) -> Tensor:
    rows, linear_layer = [], graph.linear
    for x in points:
        y = linear(linear_layer.linear, x)
        time = torch.exp(linear_layer.log_scale) / (1 + torch.exp(-y[0])) + 1.1
        rows.append(torch.cat([time[None], y[1:] * torch.sqrt((time**2 - 1) / (y[1:] @ y[1:]))]))
    joined = [sum(w * row for w, row in zip(weights, rows)) for weights in adjacency]
    return torch.stack([leaky(x / torch.sqrt(-product(x, x))) for x in joined])


def forward(model: HyperVd, visual: Tensor, audio: Tensor) -> Tensor:
    """Logits [n] of one video."""
    first, second = (module for module in model.narrow if isinstance(module, nn.Linear))
    picture = leaky(linear(second, leaky(linear(first, visual))))
    exact = torch.stack([point(x) for x in torch.cat([picture, audio], dim=-1).double()])
    n, points = len(exact), exact.float()
    similar = torch.stack([near(exact, i) for i in range(n)])
    soon = torch.tensor([[math.exp(-abs(i - j) / math.e) for j in range(n)] for i in range(n)])
    rows = torch.cat([layer(model.similarity, points, similar), layer(model.distance, points, soon)], dim=-1)
    return torch.stack([2 + 2 * product(x, model.classify.centre) + model.classify.bias[0] for x in rows])
