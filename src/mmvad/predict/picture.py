"""A prediction as a picture: frames, score curves over shaded truth, the events by class (the paper's Fig. 7)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmvad.figures.pictures import draw
from mmvad.figures.run_figures import scores_on
from mmvad.figures.strip import Shot, frames_above
from mmvad.predict.events import union_seconds
from mmvad.predict.prediction import Prediction
from mmvad.system.disk import write_whole

WIDTH = 10.0
SHOTS = 8
CURVE, LANE = 2.0, 0.3
"""Inches: the curve's height, a class's."""
LANE_COLOURS = ("#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#ff7f0e", "#1f77b4", "#2ca02c")
LONGEST_NAME = 80


def draw_prediction(path: Path, prediction: Prediction, shots: Sequence[Shot]) -> None:
    """Writes the picture as PNG. `shots` may be empty: then there are no frames above the curve."""
    lanes = list(dict.fromkeys(event.label for event in prediction.events))
    strip = 1.25 if shots else 0.0
    heights = [CURVE, max(LANE * len(lanes), 0.05)]
    figure = Figure(figsize=(WIDTH, sum(heights) + strip + 1.1), layout="constrained")
    curve, events = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    scores_on(curve, prediction.scores, prediction.edges, truth_spans(prediction))
    curve.set(xlabel="")
    row = frames_above(curve, shots, WIDTH - 1.0)
    name = prediction.name.encode(errors="backslashreplace").decode()  # a file's name need not be text
    name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    curve.set_title(f"{name}{_what_is_true(prediction)}", fontsize=10, loc="left", pad=6 + 72 * row)
    _draw_lanes(events, prediction, lanes)
    figure.legend(loc="outside lower right", fontsize=8, ncols=4, frameon=False)
    image = io.BytesIO()
    draw(figure, image, format="png", dpi=120, metadata={"Software": None})
    write_whole(path, image.getvalue())


def truth_spans(prediction: Prediction) -> list[tuple[float, float]]:
    """Where something is annotated, in seconds; overlapping events as one stretch, so that none is shaded twice."""
    return union_seconds([(event.start, event.end) for event in prediction.truth or ()])


def _what_is_true(prediction: Prediction) -> str:
    if prediction.truth is None:
        return ""
    names = dict.fromkeys(prediction.class_name(e.label) for e in prediction.truth)
    return f"  (truth: {', '.join(names)})" if names else "  (truth: normal)"


def _draw_lanes(axes: Axes, prediction: Prediction, lanes: Sequence[str]) -> None:
    """A lane for each class that was detected, its events as bars."""
    for position, label in enumerate(lanes):
        for event in (e for e in prediction.events if e.label == label):
            colour = LANE_COLOURS[position % len(LANE_COLOURS)]
            axes.broken_barh([(event.start, event.end - event.start)], (position + 0.1, 0.8), color=colour, alpha=0.75)
            middle = (event.start + event.end) / 2
            axes.text(middle, position + 0.5, f"{event.peak:.2f}", ha="center", va="center", fontsize=7, clip_on=True)
    axes.set_yticks([i + 0.5 for i in range(len(lanes))], [prediction.class_name(label) for label in lanes])
    axes.set(ylim=(len(lanes) or 1, 0), xlabel="seconds" if lanes else "seconds (no event detected)")
    axes.tick_params(axis="y", length=0, labelsize=8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
