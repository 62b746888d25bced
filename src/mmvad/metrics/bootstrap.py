"""How sure a difference between two rows of a table is: a bootstrap over test videos and seeds.

A resample draws as many test videos as there are, with replacement, and as many seeds. Both rows see the same videos
and, where they have the same seeds, the same seeds: what makes a video hard or a seed lucky cancels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from mmvad.metrics.evaluate import abnormal_frames, frame_scores
from mmvad.metrics.scored_video import ScoredVideo

RESAMPLES = 1000
THRESHOLDS = 1000
LEVEL = 0.95

Headline = Literal["ap", "auc"]
Repetition = TypeVar("Repetition", int, tuple[str, int])


@dataclass(frozen=True)
class Difference:
    """A mean difference of two rows as a fraction, with its interval at LEVEL.

    Attributes:
        p: of the hypothesis that there is none, two-sided and uncorrected, by the resamples' deviation.
        low, high: percentiles of the resamples; None where there are none, and `reason` says why.
        paired: how many seeds both rows have; 0 where seeds were drawn for each row on its own.
        seeds_only: the resamples are of seeds alone, since a run's scores are not at hand.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    paired: int = 0
    reason: str | None = None
    seeds_only: bool = False
    p: float | None = None


class Spread(NamedTuple):
    """The interval of a mean at LEVEL, and the standard deviation of its resamples."""

    low: float
    high: float
    deviation: float

    def p(self, mean: float) -> float:
        """How probable a mean that is as far from 0 is by chance, under a normal distribution of this deviation."""
        if not self.deviation:
            return float(mean == 0)
        return erfc(abs(mean) / self.deviation / sqrt(2))


def video_weights(videos: int, resamples: int, seed: int = 0) -> np.ndarray:
    """How often each video is drawn in each resample, float64 [resamples, videos]; rows sum to `videos`.

    Raises ValueError for a single video: every resample would be that video, and certain.
    """
    if resamples and videos < 2:
        raise ValueError("one test video: there is nothing to resample")
    draw = np.random.default_rng([seed, videos])
    return draw.multinomial(videos, np.full(videos, 1 / videos), size=resamples).astype(np.float64)


def resampled_metric(
    videos: Sequence[ScoredVideo],
    metric: Headline,
    weights: np.ndarray,
    *,
    trapezoid: bool = False,
    score: str = "combined",
) -> np.ndarray:
    """AP or AUC of a score over each resample's videos, float64 [resamples].

    The curve is taken at up to THRESHOLDS thresholds, at equal steps of abnormal frames, so that a resample is one row
    of a matrix product; with fewer distinct scores than that it is exact. Resamples without both classes are NaN here,
    and left out by `interval`.

    Args:
        videos: in the order of the weights' columns.
        weights: [resamples, videos].
        trapezoid: AP by trapezoids (`quirks.trapezoid_ap`) instead of steps.
    """
    if trapezoid:  # between few thresholds straight lines would promise more than between all
        return exactly_resampled(videos, metric, weights, trapezoid=True, score=score)
    hits, false_alarms = (weights @ counts for counts in _curves(videos, score))
    return _figures(hits, false_alarms, metric)


def exactly_resampled(
    videos: Sequence[ScoredVideo],
    metric: Headline,
    weights: np.ndarray,
    *,
    trapezoid: bool = False,
    score: str = "combined",
) -> np.ndarray:
    """Likewise at every threshold, one resample after the other: some milliseconds each."""
    scores, positives = frame_scores(videos)[score], abnormal_frames(videos)
    frames = np.concatenate([video.row_frames for video in videos])
    order = np.argsort(-scores, kind="stable")
    owner = np.repeat(np.arange(len(videos)), [video.snippets for video in videos])[order]
    falling = scores[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)[: len(falling)])
    abnormal, normal = positives[order], (frames - positives)[order]
    found = np.empty(len(weights))
    for i, row in enumerate(weights):
        drawn = row[owner]
        hits, false_alarms = (np.cumsum(drawn * kind)[None, last] for kind in (abnormal, normal))
        found[i] = _figures(hits, false_alarms, metric, trapezoid=trapezoid)[0]
    return found


def _figures(hits: np.ndarray, false_alarms: np.ndarray, metric: Headline, *, trapezoid: bool = False) -> np.ndarray:
    """AP or AUC of curves [R, k]; NaN without both kinds of frames."""
    positives, negatives = hits[:, -1], false_alarms[:, -1]
    step, missed = np.diff(hits, axis=1, prepend=0), np.diff(false_alarms, axis=1, prepend=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric == "ap":
            # Before the first frame that was drawn nothing is found and nothing is wrong: precision 1.
            precision = np.where(hits + false_alarms > 0, hits / (hits + false_alarms), 1.0)
            if trapezoid:
                precision = (precision + np.insert(precision[:, :-1], 0, 1.0, axis=1)) / 2
            figures = (step * precision).sum(axis=1) / positives
        else:
            figures = (missed * (hits - step / 2)).sum(axis=1) / (positives * negatives)
    return np.where((positives > 0) & (negatives > 0), figures, np.nan)


def interval(row: Mapping[Repetition, np.ndarray], base: Mapping[Repetition, np.ndarray], seed: int = 0) -> Spread:
    """The spread of the mean difference `row - base`, each given as resampled figures [resamples] by repetition.

    A repetition is a training seed, of a benchmark in folds with its fold.
    Seeds that both have are drawn together; without a common seed each side draws its own. Raises ValueError where
    less than half of the resamples have a figure.
    """
    common = sorted(row.keys() & base.keys())
    draw = np.random.default_rng(seed)
    ours = _mean_over_seeds(row, common or sorted(row), draw)
    # The same generator state again: paired seeds are the same draws.
    theirs = _mean_over_seeds(base, common or sorted(base), np.random.default_rng(seed) if common else draw)
    return _spread(ours - theirs)


def mean_interval(row: Mapping[Repetition, np.ndarray], seed: int = 0) -> Spread:
    """The spread of one row's mean, likewise: over videos, and over seeds where there are several."""
    return _spread(_mean_over_seeds(row, sorted(row), np.random.default_rng(seed)))


def _spread(resampled: np.ndarray) -> Spread:
    known = resampled[np.isfinite(resampled)]
    if len(known) < max(2, len(resampled) / 2):
        raise ValueError("too few test videos: most resamples lack abnormal or normal frames")
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Spread(float(low), float(high), float(known.std(ddof=1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected by Holm (1979) for being so many: below 0.05 with a chance of 5 % for all together."""
    order = np.argsort(p_values, kind="stable")
    steps = np.array(p_values, dtype=np.float64)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in corrected]


def _mean_over_seeds(
    figures: Mapping[Repetition, np.ndarray], seeds: list[Repetition], draw: np.random.Generator
) -> np.ndarray:
    """For each resample, the mean over as many seeds as there are, drawn with replacement; [resamples].

    Folds are drawn first, then seeds in each, for runs of one fold have their test set in common. Where folds have
    different numbers of seeds, runs are drawn.
    """
    folds = _by_fold(seeds)
    if len({len(own) for own in folds}) > 1:
        folds = [[seed] for seed in seeds]
    table = np.stack([np.stack([figures[seed] for seed in own]) for own in folds])
    count, each, resamples = table.shape
    # One fold is no choice, and takes no numbers from the generator.
    fold = draw.integers(count, size=(count, resamples)) if count > 1 else np.zeros((1, resamples), dtype=np.int64)
    seed = draw.integers(each, size=(count, each, resamples)) if each > 1 else np.zeros((count, 1, resamples), np.int64)
    return table[fold[:, None], seed, np.arange(resamples)].mean(axis=(0, 1))


def _by_fold(seeds: Sequence[Repetition]) -> list[list[Repetition]]:
    """The repetitions of each fold; all together where there are no folds."""
    folds: dict[str, list[Repetition]] = {}
    for seed in seeds:
        folds.setdefault(seed[0] if isinstance(seed, tuple) else "", []).append(seed)
    return list(folds.values())


def _curves(videos: Sequence[ScoredVideo], score: str) -> tuple[np.ndarray, np.ndarray]:
    """Each video's abnormal and normal frames at or above each threshold, float64 [videos, thresholds] each."""
    scores = frame_scores(videos)[score]
    positives, frames_of = abnormal_frames(videos), np.concatenate([video.row_frames for video in videos])
    owner = np.repeat(np.arange(len(videos)), [video.snippets for video in videos])
    position = threshold_positions(scores, positives)
    shape = (len(videos), int(position.max()) + 1)
    counted = np.zeros((2, *shape))
    for counts, frames in zip(counted, (positives, frames_of - positives)):
        np.add.at(counts, (owner, position), frames)
    hits, false_alarms = counted.cumsum(axis=2)
    return hits, false_alarms


def threshold_positions(scores: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """For each snippet, the place of the first (highest) threshold that it reaches, int [n]; equal scores share one."""
    falling, position = np.unique(-scores, return_inverse=True)
    if len(falling) <= THRESHOLDS:
        return position
    abnormal = np.bincount(position, weights=positives)
    before = np.cumsum(abnormal) - abnormal
    bins = (before * THRESHOLDS / max(before[-1] + abnormal[-1], 1)).astype(np.int64).clip(0, THRESHOLDS - 1)
    return np.unique(bins, return_inverse=True)[1][position]
