"""The perturbed top-k one noisy choice at a time, and the gate of a video at test."""

from __future__ import annotations

import torch
from torch import Tensor


def top(scores: list[float], kept: int) -> set[int]:
    return set(sorted(range(len(scores)), key=lambda t: -scores[t])[:kept])


def weights(scores: Tensor, kept: int, noise: Tensor, sigma: float) -> Tensor:
    """w [n] of scores [n] and noise [J, n]."""
    counts = torch.zeros(len(scores))
    for e in noise:
        for t in top((scores + sigma * e).tolist(), kept):
            counts[t] += 1
    return counts / len(noise)


def jacobian(scores: Tensor, kept: int, noise: Tensor, sigma: float) -> Tensor:
    """dw_t / dc_u [n, n]."""
    n, (samples, _) = len(scores), noise.shape
    found = torch.zeros(n, n)
    for e in noise:
        chosen = top((scores + sigma * e).tolist(), kept)
        for t in chosen:
            for u in range(n):
                found[t, u] += e[u] / (samples * sigma)
    return found


def kept_rows(row: Tensor, scores: Tensor, share: float) -> Tensor:
    """A video's rows behind the gate without noise."""
    n = len(row)
    chosen = top(scores.tolist(), max(1, min(1000, int(share * n))))
    return torch.stack([row[t] if t in chosen else torch.zeros(row.shape[1]) for t in range(n)])
