"""The lineage's graphs in their plainest form: one video's n valid segments, loops over pairs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mmvad.models.peers.graphs import GraphBranch
from tests.plain.network import distance_graph, graph_layer


def softmax_row(values: list[Tensor]) -> Tensor:
    exponentials = torch.stack([torch.exp(v) for v in values])
    return exponentials / exponentials.sum()


def lineage_similarity(x: Tensor) -> Tensor:
    """[n, n]: cosines, those up to 0.7 counted as 0, then each row's softmax."""
    rows = []
    for a in x:
        cosines = [(a @ b) / (a.norm() * b.norm()) for b in x]
        rows.append(softmax_row([c if c.item() > 0.7 else torch.zeros(()) for c in cosines]))
    return torch.stack(rows)


def normalised_distance(n: int) -> Tensor:
    kernel = distance_graph(n)
    return torch.stack([row / row.sum() for row in kernel])


def score_graph(scores: Tensor) -> Tensor:
    closeness = [[1 - abs(a.item() - b.item()) for b in scores] for a in scores]
    return torch.stack(
        [softmax_row([torch.tensor(1 / (1 + math.exp(-(c - 0.5) / 0.1))) for c in r]) for r in closeness]
    )


def graph_branch(branch: GraphBranch, x: Tensor, adjacency: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    for layer in branch.layers:
        x = activation(graph_layer(layer, x, adjacency))
    return x
