"""Pictures of one run: score curves over shaded ground truth, precision-recall, ROC, alarms, reliability."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.figures.pictures import draw, file_name
from mmvad.figures.use_figures import use_figures
from mmvad.metrics.evaluate import abnormal_frames, frame_scores
from mmvad.metrics.frame import (
    Curve,
    MetricValue,
    average_precision,
    precision_recall_points,
    rank,
    roc_auc,
    roc_points,
)
from mmvad.metrics.rows import frame_rate
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.system.disk import disk_errors

COLOURS = {"combined": "#111111", "coarse": "#1f77b4", "fine": "#d62728"}
CURVES_PER_KIND = 3


def draw_figures(
    folder: Path, benchmark: Benchmark, videos: Sequence[ScoredVideo], note: str | None = None
) -> list[Path]:
    """Draws curves of some videos, the precision-recall and the ROC curve, alarms and reliability; gives the files.

    Args:
        note: what has to be said of the run, below every figure.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    shown = some_videos(benchmark, videos)
    files = [draw_curve(folder / f"curve_{i}_{file_name(v.name)}.png", benchmark, v, note) for i, v in enumerate(shown)]
    files += [draw_frame_curve(folder / f"{n}.png", videos, curve, note) for n, curve in FRAME_CURVES.items()]
    in_use = use_figures(benchmark, videos, COLOURS)
    return [*files, *(_save(figure, folder / f"{name}.png", note) for name, figure in in_use.items())]


def some_videos(benchmark: Benchmark, videos: Sequence[ScoredVideo]) -> list[ScoredVideo]:
    """Some abnormal and some normal videos, evenly spread over the names: no choice by how well they came out."""
    chosen = []
    for normal in (False, True):
        kind = sorted((v for v in videos if (v.labels == (benchmark.normal,)) == normal), key=lambda v: v.name)
        positions: np.ndarray | list[int] = (
            np.unique(np.linspace(0, len(kind) - 1, CURVES_PER_KIND).round().astype(int)) if kind else []
        )
        chosen += [kind[i] for i in positions]
    return chosen


def draw_curve(path: Path, benchmark: Benchmark, video: ScoredVideo, note: str | None = None) -> Path:
    """One video's scores over time in seconds, with its ground truth shaded."""
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.add_subplot()
    curve_on(axes, benchmark, video)
    names = {c.key: c.prompt for c in benchmark.classes}
    axes.set_title(f"{video.name}  ({', '.join(names[k] for k in video.labels)})", fontsize=9, loc="left")
    figure.legend(loc="outside upper right", fontsize=8, ncols=3, frameon=False)
    return _save(figure, path, note)


def curve_on(
    axes: Axes, benchmark: Benchmark, video: ScoredVideo, names: Sequence[str] = ("combined", "coarse", "fine")
) -> None:
    """Draws one test video's curves of these names, as far as it has them, and shaded ground truth on axes."""
    rate = frame_rate(benchmark, video)
    truth = [(start / rate, end / rate) for start, end in video.intervals]
    scores = {name: values for name, values in frame_scores([video]).items() if name in names}
    scores_on(axes, scores, row_seconds(benchmark, video), truth)


def row_seconds(benchmark: Benchmark, video: ScoredVideo) -> np.ndarray:
    """Seconds at which a benchmark video's rows of scores begin, and the last one's end: [n + 1]."""
    return video.frame_edges / frame_rate(benchmark, video)


def scores_on(
    axes: Axes, scores: Mapping[str, np.ndarray], edges: np.ndarray, truth: Sequence[tuple[float, float]]
) -> None:
    """Draws curves by name over seconds, and shades the stretches of `truth`."""
    for start, end in truth:
        axes.axvspan(min(start, edges[-1]), min(end, edges[-1]), color="#d62728", alpha=0.15, linewidth=0)
    for name in sorted(scores, key=lambda name: (name == "combined", name)):
        # dashed and on top: the combined score always lies on one of the others
        style = {"linewidth": 1.6, "linestyle": (0, (4, 2))} if name == "combined" else {"linewidth": 0.9}
        axes.stairs(scores[name], edges, color=COLOURS[name], label=name, baseline=None, **style)
    axes.set(xlim=(0, edges[-1]), ylim=(-0.02, 1.05), xlabel="seconds", ylabel="anomaly score")


class FrameCurve(NamedTuple):
    """A curve over all thresholds: what gives its points and its area, what that is called, and what the axes are."""

    points: Callable[[Curve], tuple[np.ndarray, np.ndarray]]
    area: Callable[[Curve], MetricValue]
    called: str
    across: str
    up: str


FRAME_CURVES = {
    "precision_recall": FrameCurve(precision_recall_points, average_precision, "AP", "recall", "precision"),
    "roc": FrameCurve(roc_points, roc_auc, "AUC", "false positive rate", "true positive rate"),
}


def draw_frame_curve(path: Path, videos: Sequence[ScoredVideo], kind: FrameCurve, note: str | None = None) -> Path:
    """A frame-level curve of every score over the whole test set, and in grey what chance has.

    Axes are empty where frames are of one class.
    """
    ordered = sorted(videos, key=lambda v: v.name)
    positives, frames = abnormal_frames(ordered), np.concatenate([v.row_frames for v in ordered])
    figure = Figure(figsize=(4.5, 4), layout="constrained")
    axes = figure.add_subplot()
    if positives.any() and (positives < frames).any():
        for name, scores in sorted(frame_scores(ordered).items(), key=lambda item: (item[0] == "combined", item[0])):
            curve = rank(scores, positives, frames, where=name).curve(None)
            label = f"{name} ({kind.called} {100 * (kind.area(curve).value or 0):.1f})"
            # dashed: of a network with one branch the combined score is that branch's
            style = (0, (4, 2)) if name == "combined" else "-"
            axes.plot(*kind.points(curve), color=COLOURS[name], label=label, linewidth=1.2, linestyle=style)
        share = positives.sum() / frames.sum()
        chance = [0, 1] if kind.called == "AUC" else [share, share]
        axes.plot([0, 1], chance, color="0.7", linewidth=0.8, label="chance")
        axes.legend(fontsize=8, frameon=False)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=kind.across, ylabel=kind.up)
    return _save(figure, path, note)


def _save(figure: Figure, path: Path, note: str | None) -> Path:
    if note:
        figure.supxlabel(note, fontsize=7)
    with disk_errors(path):
        draw(figure, path, dpi=120, metadata={"Software": None})
    return path
