"""S3R in its plainest form: rows without padding, segment by segment."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmvad.models.peers.s3r import Rebuild, S3r
from tests.plain.network import linear
from tests.plain.peers.rtfm import Rows, crop_means, head, temporal


def rebuild(module: Rebuild, row: Tensor, dictionary: Tensor) -> Tensor:
    keys, values = linear(module.key, dictionary), linear(module.value, dictionary)
    out = []
    for x in row:
        weights = [torch.exp(linear(module.query, x) @ key) for key in keys]
        out.append(sum((w * v for w, v in zip(weights, values)), torch.zeros(row.shape[1])) / sum(weights))
    return torch.stack(out)


def forward(model: S3r, rows: Rows, crops: int) -> tuple[Rows, Rows, list[float]]:
    """Scores [n] a video, features a row, and m a video; no dropout."""
    a = temporal(model.video, rows)
    b = temporal(model.normal, [rebuild(model.rebuild, row, model.dictionary) for row in rows])
    features, scores, rest = [], [], []
    for x, y in zip(a, b):
        difference = sum(x, torch.zeros(x.shape[1])) / len(x) - sum(y, torch.zeros(y.shape[1])) / len(y)
        hidden = linear(model.gate[0], difference)
        gate = 1 / (1 + torch.exp(-linear(model.gate[2], hidden * (hidden > 0))))
        features.append(gate * x)
        scores.append(torch.sigmoid(head(model.head, gate * x)))
        taken = sum((1 - gate) * y, torch.zeros(y.shape[1])) / len(y)
        rest.append(torch.sigmoid(head(model.rest, taken[None])))
    return crop_means(scores, crops), features, [m.item() for m in crop_means(rest, crops)]


def rest_loss(rest: list[float]) -> float:
    """Cross-entropy with 0."""
    return -sum(math.log(1 - m) for m in rest) / len(rest)
