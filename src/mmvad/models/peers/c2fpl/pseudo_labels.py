"""C2FPL's pseudo labels: which videos are abnormal, by the norms of their features, and which stretch of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.peers.offline import scikit_learn

COMPONENTS, ROUNDS_OF_EM, SEED = 2, 150, 0
FEWEST = COMPONENTS + 1
"""Videos that are left normal at least: a mixture of two is fitted to them."""


def moments(norms: np.ndarray) -> tuple[float, float]:
    """Mean and variance (n - 1 below) of a video's norms [n]; a single segment has the variance 0."""
    return float(norms.mean()), float(norms.var(ddof=1)) if len(norms) > 1 else 0.0


def abnormal_videos(videos: np.ndarray, moved: float) -> np.ndarray:
    """Which videos count as abnormal: mean and variance a video [V, 2] -> bool [V].

    The smaller of two clusters at first (a mixture of Gaussians); then round by round the share `moved` of the others
    that is least likely under a mixture fitted to them anew, until there are as many abnormal as normal ones.
    """
    abnormal = np.zeros(len(videos), dtype=bool)
    if len(videos) < FEWEST:
        return abnormal
    clusters = _mixture().fit_predict(videos)
    abnormal = clusters == int(clusters.mean() < 0.5)
    while abnormal.sum() < (~abnormal).sum() and (~abnormal).sum() >= FEWEST:
        rest = np.flatnonzero(~abnormal)
        likely = _mixture().fit(videos[rest]).score_samples(videos[rest])
        unlikely = rest[likely < np.percentile(likely, 100 * moved)]
        if not len(unlikely):
            break
        abnormal[unlikely] = True
    return abnormal


def _mixture() -> Any:
    return scikit_learn("mixture").GaussianMixture(
        COMPONENTS, max_iter=ROUNDS_OF_EM, random_state=SEED, covariance_type="spherical"
    )


def normal_moments(norms: Sequence[np.ndarray], abnormal: np.ndarray) -> tuple[float, float]:
    """Mean and variance of all segments' norms of the videos that are not abnormal; of all where none is left."""
    kept = [n for n, strange in zip(norms, abnormal, strict=True) if not strange]
    return moments(np.concatenate(kept or list(norms)))


def stretches(norms: Tensor, mask: Tensor, normal: Tensor, share: float) -> Tensor:
    """Of every video the stretch of floor(share n) segments over which the normal likelihood changes most.

    The first of those that sum_t |p(q_t+1) - p(q_t)| is largest over, p the normal segments' Gaussian.

    Args:
        norms: q [V, L]; mask: bool [V, L]; normal: mean and variance, [2].

    Returns: bool [V, L].
    """
    mean, variance = normal.double()
    likely = torch.exp(-((norms.double() - mean) ** 2) / (2 * variance.clamp(min=1e-12)))
    steps = (likely[:, 1:] - likely[:, :-1]).abs() * mask[:, 1:]
    passed = F.pad(steps.cumsum(dim=1), (1, 0))  # up to each segment
    length = mask.sum(dim=1, keepdim=True)
    width = (length.double() * share).floor().long()
    start = torch.arange(mask.shape[1], device=mask.device)[None]
    last = (start + width - 1).clamp(0, mask.shape[1] - 1)
    change = (passed.gather(1, last.expand_as(passed)) - passed).masked_fill(start + width > length, -1)
    first = change.argmax(dim=1, keepdim=True)
    return (start >= first) & (start < first + width)
