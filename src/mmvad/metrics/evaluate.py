"""All figures of a test set as one nested dict of plain values, as a report holds it.

Three frame scores: `coarse`, `fine` (1 - the normal class's probability) and `combined`, the larger of those that were
trained, or the score that a method from elsewhere gives. The dict's shape is always the same: what cannot be computed
is None, and `reasons` beside it says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.checks import check_videos
from mmvad.metrics.detection import IOU_THRESHOLDS, VARIANTS, DetectionVideo, MeanAP, detection_map
from mmvad.metrics.frame import MetricValue, rank, row_positives
from mmvad.metrics.frame_metrics import CLASS_METRICS, FRAME_METRICS, FrameMetric
from mmvad.metrics.scored_video import ScoredVideo

SCORES = ("combined", "coarse", "fine")


def evaluate(benchmark: Benchmark, videos: Sequence[ScoredVideo], *, trapezoid: bool = False) -> dict[str, Any]:
    """Every figure of the test set; the order of `videos` changes nothing, to the last bit.

    Args:
        trapezoid: AP by trapezoids (`quirks.trapezoid_ap`) instead of steps.

    Returns (fractions, or None with a reason in the nearest `reasons`)::

        videos, abnormal_videos, snippets, frames, abnormal_frames: counts
        scores: {combined, coarse, fine}: ap, auc, ano_auc (all of FRAME_METRICS), reasons,
            classes: {abnormal class}: videos, ap, auc (that class's videos and all normal ones), reasons
        map: {published, clean}: "0.1" .. "0.5", mean, reasons,
            classes: {class}: events, runs, "0.1" .. "0.5", mean, reasons (`clean`: abnormal classes only)

    Raises:
        UserError: no videos, a name twice, an unknown class, outputs that are missing, misshapen or not finite.
    """
    videos = sorted(videos, key=lambda video: video.name)
    check_videos(benchmark, videos)
    positives = abnormal_frames(videos)
    scores = frame_scores(videos)
    return {
        "videos": len(videos),
        "abnormal_videos": sum(not is_normal(benchmark, video) for video in videos),
        "snippets": len(positives),
        "frames": int(sum(video.frame_edges[-1] for video in videos)),
        "abnormal_frames": int(positives.sum()),
        "scores": {
            name: _score_figures(benchmark, videos, positives, scores[name], name, trapezoid=trapezoid)
            if name in scores
            else _no_figures(benchmark, videos, no_score(name))
            for name in SCORES
        },
        "map": map_figures(benchmark, videos),
    }


def no_score(name: str) -> str:
    """Why a score has no figures."""
    return f"the {name} branch was not trained, or the method has none"


def frame_scores(videos: Sequence[ScoredVideo]) -> dict[str, np.ndarray]:
    """The scores that the trained branches give, float64 [rows of all videos], `combined` always among them."""
    scores = {}
    own = [video.combined for video in videos if video.combined is not None]
    if own:
        scores["combined"] = np.concatenate(own).astype(np.float64)
    coarse = [video.coarse for video in videos if video.coarse is not None]
    if coarse:
        scores["coarse"] = np.concatenate(coarse).astype(np.float64)
    fine = [video.class_probabilities[:, 0] for video in videos if video.class_probabilities is not None]
    if fine:
        # Widened before subtracting: in float32, 1 - p would round small differences between snippets into ties.
        scores["fine"] = 1.0 - np.concatenate(fine).astype(np.float64)
    return scores if own else {**scores, "combined": np.maximum.reduce(list(scores.values()))}


def abnormal_frames(videos: Sequence[ScoredVideo]) -> np.ndarray:
    """How many of the frames of each row are abnormal, int64 [rows of all videos]."""
    return np.concatenate([row_positives(video.intervals, video.frame_edges) for video in videos])


def is_normal(benchmark: Benchmark, video: ScoredVideo) -> bool:
    """Whether a video's label is the normal class alone."""
    return video.labels == (benchmark.normal,)


def _score_figures(
    benchmark: Benchmark,
    videos: Sequence[ScoredVideo],
    positives: np.ndarray,
    scores: np.ndarray,
    name: str,
    *,
    trapezoid: bool,
) -> dict[str, Any]:
    """Figures of one score over all videos, and over each abnormal class's videos together with the normal ones."""
    ranking = rank(scores, positives, np.concatenate([v.row_frames for v in videos]), where=f"{name} scores")
    snippets = [video.snippets for video in videos]
    normal = np.array([is_normal(benchmark, video) for video in videos])
    whole, abnormal = ranking.curve(), ranking.curve(np.repeat(~normal, snippets))
    figures = {
        metric.name: metric.value(abnormal if metric.abnormal_only else whole, trapezoid=trapezoid)
        for metric in FRAME_METRICS
    }
    classes = {}
    for key in benchmark.class_keys[1:]:
        own = _videos_of(key, videos)
        if own.any():
            curve = ranking.curve(np.repeat(own | normal, snippets))
            of_class = {metric.name: metric.value(curve, trapezoid=trapezoid) for metric in CLASS_METRICS}
        else:
            of_class = _absent(CLASS_METRICS, "no test video of this class")
        classes[key] = {"videos": int(own.sum()), **_plain(of_class)}
    return {**_plain(figures), "classes": classes}


def _no_figures(benchmark: Benchmark, videos: Sequence[ScoredVideo], reason: str) -> dict[str, Any]:
    """The same dict for a score that is not there."""
    classes = {}
    for key in benchmark.class_keys[1:]:
        own = int(_videos_of(key, videos).sum())
        absent = _absent(CLASS_METRICS, reason if own else "no test video of this class")
        classes[key] = {"videos": own, **_plain(absent)}
    return {**_plain(_absent(FRAME_METRICS, reason)), "classes": classes}


def _videos_of(key: str, videos: Sequence[ScoredVideo]) -> np.ndarray:
    """Which videos have that class in their label, bool [videos]."""
    return np.array([key in video.labels for video in videos])


def _absent(metrics: Sequence[FrameMetric], reason: str) -> dict[str, MetricValue]:
    return {metric.name: MetricValue(None, reason) for metric in metrics}


def _plain(figures: Mapping[str, MetricValue]) -> dict[str, Any]:
    """Values by name, and beside them `reasons` by the same names for those that need one."""
    values = {name: figure.value for name, figure in figures.items()}
    return {**values, "reasons": {name: figure.reason for name, figure in figures.items() if figure.reason}}


NO_CLASSES = no_score("fine")


def map_figures(benchmark: Benchmark, videos: Sequence[ScoredVideo], without: str = NO_CLASSES) -> dict[str, Any]:
    """Both variants of the mAP, as `evaluate` has them under `map`.

    Without class probabilities every value is None, and `without` is the reason.
    """
    inputs = detection_videos(benchmark, videos)
    if not inputs:
        missing = (MetricValue(None, without),) * len(IOU_THRESHOLDS)
        return {variant: _map_variant(MeanAP(missing, {})) for variant in VARIANTS}
    results = detection_map(benchmark, inputs)
    return {variant: _map_variant(results[variant]) for variant in VARIANTS}


def detection_videos(benchmark: Benchmark, videos: Sequence[ScoredVideo]) -> list[DetectionVideo]:
    """The videos as events are detected in them; those without class probabilities are left out."""
    return [
        DetectionVideo(video.name, is_normal(benchmark, video), video.events, video.class_probabilities, video.edges)
        for video in videos
        if video.class_probabilities is not None
    ]


def _map_variant(result: MeanAP) -> dict[str, Any]:
    classes = {
        key: {"events": found.events, "runs": found.runs, **_by_threshold(found.ap)}
        for key, found in result.classes.items()
    }
    return {**_by_threshold(result.values), "classes": classes}


def _by_threshold(figures: Sequence[MetricValue]) -> dict[str, Any]:
    """The figures by IoU, "0.1" .. "0.5", and their mean."""
    values = [figure.value for figure in figures if figure.value is not None]
    mean = MetricValue(sum(values) / len(values) if values else None, figures[0].reason)
    return _plain({**{str(iou): figure for iou, figure in zip(IOU_THRESHOLDS, figures)}, "mean": mean})
