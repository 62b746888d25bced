"""Fine-grained figures: mean average precision (mAP) of detected events at IoU 0.1 .. 0.5.

Two variants. `published` gives, number for number, what the public figures of the field were computed with; `clean` is
what the papers' text says: abnormal videos only, events cut to the features, mean over abnormal classes with an event.
Runs and events are intervals of frames, end-exclusive, and all is arithmetic on their ends: no frame is written out.

A class's run in a video is a stretch of snippets whose probability lies strictly above max - 0.6 (max - min) of that
class in that video. Runs under 2 frames are dropped, which occurs where every frame has a row of its own. The protocol
also drops a video's runs of a class that overlap a better one (NMS at IoU 0.6): one threshold makes disjoint runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark, Event
from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.metrics.detection_matching import Intervals, ranked_hits, select
from mmvad.metrics.frame import MetricValue, require_finite, snippet_frame_edges

IOU_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)
VARIANTS = ("published", "clean")
MAP_SCORES = {"published": "events", "clean": "events_clean"}
"""Under which score tables have a variant."""

_RUN_DEPTH = 0.6
_MEAN_WEIGHT = 0.7
_SHORTEST_RUN = 2


@dataclass(frozen=True)
class DetectionVideo:
    """One test video: its events (uncut; none for a normal video) and probabilities [n, C] by row, normal first.

    `edges` are the frames at which rows begin, and the last one's end, int64 [n + 1]; None for snippets of 16 frames.
    """

    name: str
    normal: bool
    events: tuple[Event, ...]
    probabilities: np.ndarray
    edges: np.ndarray | None = None

    @property
    def frame_edges(self) -> np.ndarray:
        return snippet_frame_edges(len(self.probabilities)) if self.edges is None else self.edges


@dataclass(frozen=True)
class ClassAP:
    """One class: how many events and runs it has, and its AP at each of IOU_THRESHOLDS."""

    events: int
    runs: int
    ap: tuple[MetricValue, ...]


@dataclass(frozen=True)
class MeanAP:
    """mAP at each of IOU_THRESHOLDS, and the classes behind it (normal first), as fractions."""

    values: tuple[MetricValue, ...]
    classes: dict[str, ClassAP]


def detection_map(benchmark: Benchmark, videos: Sequence[DetectionVideo]) -> dict[str, MeanAP]:
    """mAP of both VARIANTS over the test videos.

    Runs of equal score go by the video's name, then by time, so the order of `videos` changes nothing. Raises UserError
    for probabilities that are not finite or an event of an unknown class, ValueError for a wrong shape or no video.
    """
    if not videos:
        raise ValueError("no videos to detect events in")
    videos = sorted(videos, key=lambda video: video.name)
    classes = len(benchmark.classes)
    runs, scores = _all_runs(videos, classes)
    abnormal_run = np.array([not video.normal for video in videos], dtype=bool)[runs.video]
    published = _class_aps(_published_events(benchmark, videos), runs, scores, classes)
    clean = _class_aps(_clean_events(benchmark, videos), select(runs, abnormal_run), scores[abnormal_run], classes)
    return {
        "published": _published_mean(dict(zip(benchmark.class_keys, published))),
        "clean": _clean_mean(dict(zip(benchmark.class_keys[1:], clean[1:]))),
    }


@dataclass(frozen=True)
class ClassHits:
    """One class: its runs, best first, and what they find.

    Attributes:
        run_video: the video of each run, int64 [r]. event_video: of each of its events, int64 [e].
        hits: which runs find an event at each of IOU_THRESHOLDS, bool [5, r].
    """

    run_video: np.ndarray
    event_video: np.ndarray
    hits: np.ndarray


def class_hits(benchmark: Benchmark, videos: Sequence[DetectionVideo], variant: str) -> list[ClassHits]:
    """What `detection_map` counts of every class of a variant: all of `published`, the abnormal ones of `clean`.

    Args:
        videos: sorted by name.
    """
    classes = len(benchmark.classes)
    runs, scores = _all_runs(videos, classes)
    if variant == "published":
        events = _published_events(benchmark, videos)
    else:
        abnormal = np.array([not video.normal for video in videos], dtype=bool)[runs.video]
        events, runs, scores = _clean_events(benchmark, videos), select(runs, abnormal), scores[abnormal]
    runs, hits = ranked_hits(events, runs, scores, classes, IOU_THRESHOLDS)
    keys = range(0 if variant == "published" else 1, classes)
    own = [(runs.label == label, events.label == label) for label in keys]
    return [ClassHits(runs.video[of_run], events.video[of_event], hits[:, of_run]) for of_run, of_event in own]


def video_runs(
    probabilities: np.ndarray, edges: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The runs of one video: class, start and end row (end-exclusive), score; [r] each, by class, then by time.

    A run's score is its maximum + 0.7 x the mean of the class's highest floor(frames / 16) frames in the video. With
    16 equal frames a snippet these are as many frames as there are snippets: the highest sixteenth of the snippets,
    the last one in part.

    Args:
        probabilities: [n, C], at least one row.
        edges: as `DetectionVideo` has them; runs under 2 frames are left out.
    """
    by_class = np.asarray(probabilities, dtype=np.float64).T
    classes, snippets = by_class.shape
    high, low = by_class.max(axis=1), by_class.min(axis=1)
    above = by_class > (high - (high - low) * _RUN_DEPTH)[:, None]
    outside = np.zeros((classes, 1), dtype=bool)
    label, position = np.nonzero(np.diff(above, axis=1, prepend=outside, append=outside))
    # A column behind the last snippet, so that the end of a run is always a valid place for reduceat.
    padded = np.concatenate([by_class, np.full((classes, 1), -np.inf)], axis=1)
    peak = np.maximum.reduceat(padded.ravel(), label * (snippets + 1) + position)[::2] if len(label) else np.empty(0)
    label, start, end = label[::2], position[::2], position[1::2]
    if edges is None:
        return label, start, end, peak + _MEAN_WEIGHT * _highest_frames_mean(by_class)[label]
    scores = peak + _MEAN_WEIGHT * _highest_row_frames_mean(by_class, np.diff(edges))[label]
    long = edges[end] - edges[start] >= _SHORTEST_RUN
    return label[long], start[long], end[long], scores[long]


def _highest_row_frames_mean(by_class: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Likewise of rows [C, n] that stand for `frames` [n] each: mean of the highest floor(frames / 16), at least 1."""
    wanted = max(int(frames.sum()) // SNIPPET_FRAMES, 1)
    order = np.argsort(-by_class, axis=1, kind="stable")
    each = frames[order]
    before = np.cumsum(each, axis=1) - each
    taken = np.clip(wanted - before, 0, each)
    return (taken * np.take_along_axis(by_class, order, axis=1)).sum(axis=1) / wanted


def _highest_frames_mean(by_class: np.ndarray) -> np.ndarray:
    """Mean of the highest floor(frames / 16) frame scores of each row of [C, snippets], float64 [C]."""
    snippets = by_class.shape[1]
    whole, rest = divmod(snippets, SNIPPET_FRAMES)
    falling = np.sort(by_class, axis=1)[:, ::-1]
    total = SNIPPET_FRAMES * falling[:, :whole].sum(axis=1)
    return (total + rest * falling[:, whole] if rest else total) / snippets


def _all_runs(videos: Sequence[DetectionVideo], classes: int) -> tuple[Intervals, np.ndarray]:
    """Runs of all videos by video, class and time, and their scores [r]."""
    parts = []
    for position, video in enumerate(videos):
        shape = video.probabilities.shape
        if len(shape) != 2 or shape[0] == 0 or shape[1] != classes:
            raise ValueError(f"{video.name}: class probabilities {shape}, expected [snippets, {classes}]")
        require_finite(video.probabilities, f"{video.name}: class probabilities")
        label, start, end, score = video_runs(video.probabilities, video.edges)
        edges = video.frame_edges
        parts.append((np.full(len(label), position), label, edges[start], edges[end], score))
    video_of, label, start, end, score = (np.concatenate(column) for column in zip(*parts))
    return Intervals(video_of, label, start, end), score


def _published_events(benchmark: Benchmark, videos: Sequence[DetectionVideo]) -> Intervals:
    """Every event, uncut; where the benchmark says so, a normal video has one of the normal class over all frames."""
    rows = []
    for position, video in enumerate(videos):
        rows += [(position, benchmark.class_index(e.label, video.name), e.start, e.end) for e in video.events]
        if video.normal and benchmark.normal_events:
            rows.append((position, 0, 0, int(video.frame_edges[-1])))
    return _intervals(rows)


def _clean_events(benchmark: Benchmark, videos: Sequence[DetectionVideo]) -> Intervals:
    """Events of abnormal classes in abnormal videos, cut to the features; one that lies wholly outside is dropped."""
    rows = []
    for position, video in enumerate(videos):
        frames = int(video.frame_edges[-1])
        for event in () if video.normal else video.events:
            label, start, end = benchmark.class_index(event.label, video.name), max(event.start, 0), event.end
            if label and start < min(end, frames):
                rows.append((position, label, start, min(end, frames)))
    return _intervals(rows)


def _intervals(rows: Sequence[tuple[int, int, int, int]]) -> Intervals:
    return Intervals(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def _class_aps(events: Intervals, runs: Intervals, scores: np.ndarray, classes: int) -> list[ClassAP]:
    """AP of every class at every threshold; a class without an event has none to give (value None)."""
    runs, hits = ranked_hits(events, runs, scores, classes, IOU_THRESHOLDS)
    result = []
    for label in range(classes):
        wanted, found = int(np.sum(events.label == label)), runs.label == label
        aps = tuple(_average_precision(row, wanted) for row in hits[:, found])
        result.append(ClassAP(wanted, int(np.sum(found)), aps))
    return result


def _average_precision(hits: np.ndarray, events: int) -> MetricValue:
    """Sum of the precision at each hit, divided by the number of the class's events."""
    if not events:
        return MetricValue(None, "the class has no event")
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return MetricValue(float(precision[hits].sum()) / events)


def _published_mean(classes: dict[str, ClassAP]) -> MeanAP:
    """Mean over all classes, one without an event counting 0; 0 altogether if some class has no run in any video."""
    classes = {
        key: ClassAP(c.events, c.runs, tuple(MetricValue(f.value or 0.0, f.reason) for f in c.ap))
        for key, c in classes.items()
    }
    silent = [key for key, c in classes.items() if not c.runs]
    if silent:
        zero = MetricValue(0.0, f"0 by the published protocol: no run in any video for class {', '.join(silent)}")
        return MeanAP((zero,) * len(IOU_THRESHOLDS), classes)
    return MeanAP(_mean_at_each(classes), classes)


def _clean_mean(classes: dict[str, ClassAP]) -> MeanAP:
    """Mean over the classes that have an event; none where no class has one."""
    with_events = {key: c for key, c in classes.items() if c.events}
    if not with_events:
        return MeanAP((MetricValue(None, "no abnormal video has an event"),) * len(IOU_THRESHOLDS), classes)
    return MeanAP(_mean_at_each(with_events), classes)


def _mean_at_each(classes: dict[str, ClassAP]) -> tuple[MetricValue, ...]:
    aps = np.array([[figure.value for figure in c.ap] for c in classes.values()], dtype=np.float64)
    return tuple(MetricValue(float(value)) for value in aps.mean(axis=0))
