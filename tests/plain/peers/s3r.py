"""S3R in its plainest form: rows without padding, segment by segment."""

from __future__ import annotations

import math

import numpy as np
import torch
from sklearn.decomposition import MiniBatchDictionaryLearning
from torch import Tensor

from mmvad.models.peers.s3r.network import Rebuild, S3r
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


def dictionary(videos: np.ndarray, atoms: int) -> np.ndarray:
    """M [atoms, d] of video means [V, d]: 100 steps of 32 channels, one by one, from the singular vectors on."""
    channels, draw = videos.T.astype(float), np.random.RandomState(42)
    unlearned = MiniBatchDictionaryLearning(atoms, max_iter=0, shuffle=False, random_state=draw)
    start = unlearned.fit(channels).components_
    learner = MiniBatchDictionaryLearning(atoms, dict_init=start, random_state=draw)
    order = draw.permutation(len(channels))
    for step in range(100):
        learner.partial_fit(np.stack([channels[order[(32 * step + i) % len(order)]] for i in range(32)]))
    return np.stack([two_atoms(row, learner.components_) for row in channels], axis=1)


def two_atoms(row: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """The codes of a channel: the atom that fits it best, then the one that fits what is left, both weighed anew."""
    first = int(np.abs(atoms @ row).argmax())
    left = row - atoms[first] * (atoms[first] @ row) / (atoms[first] @ atoms[first])
    chosen = [first, int(np.abs(atoms @ left).argmax())]
    codes = np.zeros(len(atoms))
    codes[chosen] = np.linalg.lstsq(atoms[chosen].T, row, rcond=None)[0]
    return codes


def rest_loss(rest: list[float]) -> float:
    """Cross-entropy with 0."""
    return -sum(math.log(1 - m) for m in rest) / len(rest)
