"""WSAL in its plainest form: one video's n segments, one tap and one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from mmvad.models.peers.wsal.network import Wsal
from tests.plain.network import linear
from tests.plain.objectives import cosine


def forward(model: Wsal, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Scores [n], and the n - 1 steps."""
    x, weight = torch.relu(linear(model.embed[0], x)), model.context.weight
    rows = []
    for t in range(len(x)):
        taps = [weight[:, :, k] @ x[min(max(t + k - 2, 0), len(x) - 1)] for k in range(5)]
        rows.append(model.context.bias + sum(taps[1:], taps[0]))
    h = torch.stack(rows)
    scores = torch.sigmoid(linear(model.semantic[3], torch.relu(linear(model.semantic[0], h)))).squeeze(-1)
    embedded = linear(model.dynamic[3], torch.relu(linear(model.dynamic[0], h)))
    return scores, [1 - cosine(a, b) for a, b in pairwise(embedded)]


def score(scores: Tensor, steps: Sequence[Tensor]) -> Tensor:
    """(mean step to the neighbours + s) / 3."""
    found = []
    for t, s in enumerate(scores):
        near = [steps[i] for i in (t - 1, t) if 0 <= i < len(steps)]
        found.append((s + (sum(near, torch.zeros(())) / len(near) if near else 0)) / 3)
    return torch.stack(found)


def losses(videos: Sequence[tuple[Tensor, list[Tensor]]], abnormal: Sequence[bool]) -> dict[str, Tensor]:
    zero = torch.zeros(())
    strange, usual = ([v for v, y in zip(videos, abnormal) if y == kind] for kind in (True, False))

    def largest(video: tuple[Tensor, list[Tensor]]) -> Tensor:
        return max(video[1]) if video[1] else zero

    def total(video: tuple[Tensor, list[Tensor]]) -> Tensor:
        return video[0].sum() + sum(video[1], zero)

    def jumps(video: tuple[Tensor, list[Tensor]]) -> Tensor:
        return sum(((b - a) ** 2 for series in video for a, b in pairwise(series)), zero)

    pairs = list(zip(strange, usual))
    spread = [torch.relu(1 - (a[0].max() - a[0].min()) + n[0].max() - n[0].min()) for a, n in pairs]
    found = {
        "rank_semantic": sum(spread, zero) / len(pairs),
        "rank_dynamic": sum((torch.relu(1 - largest(a) + largest(n)) for a, n in pairs), zero) / len(pairs),
        "sparse": sum(map(total, strange), zero) / len(strange) + sum(map(total, usual), zero) / len(usual),
        "smooth": sum(map(jumps, strange), zero) / len(strange),
    }
    weights = {"rank_semantic": 1, "rank_dynamic": 1, "sparse": 8e-5, "smooth": 8e-5}
    return found | {"total": sum((weights[name] * loss for name, loss in found.items()), zero)}
