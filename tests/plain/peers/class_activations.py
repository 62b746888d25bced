"""W-TALC and 3C-Net in their plainest form: videos, classes and segments one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tests.plain.objectives import cosine, number


def class_loss(videos: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Cross-entropy of the classes' means over their ceil(n / 8) highest logits."""
    total = torch.zeros(())
    for logits, y in zip(videos, labels):
        k = math.ceil(len(logits) / 8)
        means = torch.stack([torch.stack(sorted(column, key=number)[-k:]).mean() for column in logits.T])
        total = total - (y / y.sum() * torch.log(means.exp() / means.exp().sum())).sum()
    return total / len(videos)


def co_activity(features: Sequence[Tensor], logits: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Mean of both hinges over pairs of videos and the anomalies that they share."""

    def means(b: int, c: int) -> tuple[Tensor, Tensor]:
        a = torch.softmax(logits[b][:, c], dim=0)
        rest = max(len(a) - 1, 1)
        rows = list(zip(a, features[b]))
        high = sum((w * x for w, x in rows), torch.zeros(features[b].shape[1]))
        low = sum(((1 - w) / rest * x for w, x in rows), torch.zeros(features[b].shape[1]))
        return high, low

    hinges = []
    for i in range(len(labels)):
        for j in range(i + 1, len(labels)):
            for c in range(1, labels.shape[1]):
                if labels[i, c] * labels[j, c]:
                    (hi, li), (hj, lj) = means(i, c), means(j, c)
                    near = 1 - cosine(hi, hj)
                    apart = [1 - (cosine(h, low) if low.any() else 0) for h, low in ((hi, lj), (hj, li))]
                    hinges.append(sum(torch.relu(near - far + 0.5) for far in apart) / 2)
    return sum(hinges, torch.zeros(())) / max(len(hinges), 1)


def centre_entries(
    features: Sequence[Tensor], logits: Sequence[Tensor], labels: Tensor, *, several: bool
) -> list[tuple[int, Tensor]]:
    """Of every video and class that count, the class and the video's mean segment of it."""
    found = []
    for x, z, y in zip(features, logits, labels):
        if y.sum() > 1 and not several:
            continue
        for c in y.nonzero().flatten().tolist():
            a = torch.softmax(z[:, c], dim=0)
            kept = [(w, row) for w, row in zip(a, x) if number(w) >= number(a.mean())]
            weight = sum((w for w, _ in kept), torch.zeros(()))
            found.append((c, sum((w * row for w, row in kept), torch.zeros(x.shape[1])) / weight))
    return found
