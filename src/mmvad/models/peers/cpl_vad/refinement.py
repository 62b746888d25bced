"""CPL-VAD's pseudo labels of segments: what several levels' scores agree on at several thresholds."""

from __future__ import annotations

import torch
from torch import Tensor

THRESHOLDS = (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
DEVIATIONS = 3.0
"""How many of a fading's deviations lie on its side of a stretch."""


def refined(scores: Tensor, mask: Tensor, gap: int, shortest: int, agreement: float, flat: float) -> Tensor:
    """Labels 0 to 1, [B, L], of scores of several levels [B, L, S]; without gradient."""
    rows = scores.detach().movedim(-1, 1)
    evidence = sum(
        (stretches(rows, (rows >= threshold) & mask.unsqueeze(1), gap, shortest) for threshold in THRESHOLDS),
        torch.zeros_like(rows),
    )
    return faded((evidence.sum(dim=1) >= agreement) & mask, flat)


def stretches(scores: Tensor, high: Tensor, gap: int, shortest: int) -> Tensor:
    """A stretch's confidence on its segments but the last, 0 elsewhere: [..., L] of scores, bool [..., L] -> [..., L].

    Stretches are runs of high segments, joined where one begins at most `gap` behind the end of the one before;
    those count whose end lies more than `shortest` behind their start. Confidence is the mean score of the high ones.
    """
    before, behind = nearest_before(high), nearest_behind(high)
    inside = high | ((before >= 0) & (behind < high.shape[-1]) & (behind - before <= gap))
    group = (inside & ~shifted(inside, 1)).cumsum(dim=-1)
    add = lambda values: torch.zeros_like(scores).scatter_add(-1, (group - 1).clamp(min=0), values * inside)  # noqa: E731
    confidence = add(scores * high) / add(high.to(scores.dtype)).clamp(min=1)
    counts = confidence * (add(inside.to(scores.dtype)) - 1 > shortest)
    return counts.gather(-1, (group - 1).clamp(min=0)) * (inside & shifted(inside, -1))


def faded(labelled: Tensor, flat: float) -> Tensor:
    """1 on labelled segments; of a run of n, floor((n - floor(flat n)) / 2) at either end fall like a Gaussian's.

    bool [..., L] -> [..., L]. A fading of m is exp(-(3 (i - m + 1) / m)^2 / 2) for i = 0 to m - 1.
    """
    position = torch.arange(labelled.shape[-1], device=labelled.device)
    start = nearest_before(~labelled) + 1
    end = nearest_behind(~labelled) - 1
    size = end - start + 1
    fading = torch.div(size - (size * flat).floor(), 2, rounding_mode="floor")
    inward = torch.minimum(position - start, end - position)
    fall = torch.exp(-0.5 * (DEVIATIONS * (inward - fading + 1) / fading.clamp(min=1)) ** 2)
    return torch.where(inward < fading, fall, 1.0) * labelled


def nearest_before(high: Tensor) -> Tensor:
    """Where the last high segment up to each lies; -1 where there is none."""
    return torch.arange(high.shape[-1], device=high.device).where(high, -1).cummax(dim=-1).values


def nearest_behind(high: Tensor) -> Tensor:
    """Where the first high segment from each on lies; L where there is none."""
    last = high.shape[-1] - 1
    return last - nearest_before(high.flip(-1)).flip(-1)


def shifted(high: Tensor, by: int) -> Tensor:
    """Every segment's neighbour `by` before it; False beyond the ends."""
    rolled = high.roll(by, dims=-1)
    rolled[..., 0 if by > 0 else -1] = False
    return rolled
