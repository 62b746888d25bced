"""Metrics of a test set like XD-Violence's, beside the plain form that writes every frame out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.registry import benchmark
from mmvad.metrics.bootstrap import RESAMPLES, video_weights
from mmvad.metrics.detection import IOU_THRESHOLDS, MAP_SCORES, DetectionVideo, detection_map
from mmvad.metrics.evaluate import evaluate
from mmvad.metrics.measures import measures
from mmvad.metrics.resampled import MAP_NAMES, RESAMPLED, Resampled
from mmvad.metrics.scored_video import ScoredVideo
from tests.plain.metrics import published_map
from tools.bench.made import scored_videos
from tools.bench.timing import Row, compare, cost

VIDEOS = 800
"""XD-Violence's test videos."""


def metric_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """All figures of a test set; the mAP alone on a tenth of it, where the plain form can be waited for; intervals."""
    spec = benchmark("xd_violence")
    videos = scored_videos(spec, 40 if quick else VIDEOS)
    row = compare("metrics", f"all figures, {len(videos)} videos", lambda: evaluate(spec, videos), None, repeats)
    row.amount, row.unit, row.limit = len(videos), "videos", 1.0
    yield row
    tenth = videos[:: 20 if quick else 10]
    rows, normal, events = _written_out(tenth)

    def frame_sets() -> None:
        for threshold in IOU_THRESHOLDS[:1] if quick else IOU_THRESHOLDS:
            published_map(rows, normal, events, spec.normal_events, threshold)

    detections = [DetectionVideo(v.name, n, v.events, r) for v, n, r in zip(tenth, normal, rows, strict=True)]
    row = compare(
        "metrics", f"mAP, {len(tenth)} videos", lambda: detection_map(spec, detections), frame_sets, 1, warm=False
    )
    row.wanted = 100.0
    yield row
    resamples = 20 if quick else RESAMPLES
    name = f"measures of use and {resamples} resamples of every figure, {len(videos)} videos"
    row = compare("metrics", name, lambda: _in_use(spec, videos, resamples), None, 1, warm=False)
    row.amount, row.unit, row.limit = len(videos), "videos", 20.0
    yield row


def _in_use(spec: Benchmark, videos: list[ScoredVideo], resamples: int) -> None:
    """Every measure of every score, then the resamples of each that is one, of mAP too."""
    measures(spec, videos)
    drawn = Resampled(spec, videos, video_weights(len(videos), resamples))
    for score, name in product(("combined", "coarse", "fine"), sorted(RESAMPLED - {*MAP_NAMES})):
        drawn.of(score, name)
    for score, name in product(MAP_SCORES.values(), MAP_NAMES):
        drawn.of(score, name)


def _written_out(videos: list[ScoredVideo]) -> tuple[list, list[bool], list]:
    spec = benchmark("xd_violence")
    rows = [v.class_probabilities for v in videos]
    events = [[(spec.class_index(e.label, v.name), e.start, e.end) for e in v.events] for v in videos]
    return rows, [v.labels == (spec.normal,) for v in videos], events


def metric_growth(sizes: list[int]) -> Iterator[tuple[int, float, int]]:
    """(videos, seconds, memory) of all figures."""
    spec = benchmark("xd_violence")
    for size in sizes:
        videos = scored_videos(spec, size)
        spent = cost(lambda videos=videos: evaluate(spec, videos))  # type: ignore[misc]
        yield size, spent.wall, spent.memory
