"""Frames of a video above its score curve, each tied to its second, as in the paper's Fig. 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

NORMAL, ABNORMAL = "#2ca02c", "#d62728"
THUMBNAIL_WIDTH = 240
"""Pixels that a frame is decoded to."""
NEAR = 0.06
"""Share of the video within which two frames would show the same."""


@dataclass(frozen=True)
class Shot:
    """A frame: uint8 [H, W, 3] at a second, and whether what it shows is abnormal."""

    second: float
    image: np.ndarray
    abnormal: bool


def shots_of(
    media: Path, scores: np.ndarray, edges: np.ndarray, truth: Sequence[tuple[float, float]] | None, count: int
) -> list[Shot]:
    """Frames of a video at even times and at its peaks, in order. Raises UserError where it cannot be read.

    Args:
        scores: the combined score, [n]; it also says what is abnormal (above 0.5) where `truth` is None.
        edges: seconds, [n + 1].
    """
    from mmvad.extraction.thumbnails import frames_at

    times = shot_times(scores, edges, count)
    inside = [is_abnormal(second, scores, edges, truth) for second in times]
    return [Shot(*shot) for shot in zip(times, frames_at(media, times, THUMBNAIL_WIDTH), inside)]


def shot_times(scores: np.ndarray, edges: np.ndarray, count: int) -> list[float]:
    """Up to `count` seconds, rising: the highest peaks (a quarter of them), the others at even times."""
    middles = (edges[:-1] + edges[1:]) / 2
    near = NEAR * edges[-1]
    chosen: list[float] = []
    for i in np.argsort(-np.asarray(scores), kind="stable"):
        if len(chosen) == max(count // 4, 1):
            break
        if all(abs(middles[i] - second) > 2 * near for second in chosen):
            chosen.append(float(middles[i]))
    even = [float((k + 0.5) / count * edges[-1]) for k in range(count)]
    apart = {second: min(abs(second - peak) for peak in chosen) for second in even}
    free = sorted((second for second in even if apart[second] > near), key=lambda second: -apart[second])
    return sorted([*chosen, *free[: count - len(chosen)]])  # those nearest to a peak give way to it


def is_abnormal(
    second: float, scores: np.ndarray, edges: np.ndarray, truth: Sequence[tuple[float, float]] | None
) -> bool:
    """Whether a second lies in the truth; without one, whether its score is above 0.5."""
    if truth is not None:
        return any(start <= second < end for start, end in truth)
    position = int(np.clip(np.searchsorted(edges, second, side="right") - 1, 0, len(scores) - 1))
    return bool(scores[position] > 0.5)


def frames_above(axes: Axes, shots: Sequence[Shot], inches: float) -> float:
    """Draws the frames in a row above the axes, tied to their seconds; gives the row's height in inches.

    The axes are `inches` wide. A thin green frame is normal, a thick red one abnormal.
    """
    if not shots:
        return 0.0
    slot = inches / max(len(shots), 4)
    height, gap = 0.0, 0.22
    for position, shot in enumerate(shots):
        tall, wide = shot.image.shape[:2]
        width = min(slot * 0.9, slot * 0.9 * wide / tall)  # an upright frame is no taller than the row is wide
        height = max(height, width * tall / wide)
        colour = ABNORMAL if shot.abnormal else NORMAL
        box = AnnotationBbox(
            OffsetImage(shot.image, zoom=72 * width / wide, dpi_cor=True, interpolation="bilinear"),
            xy=(shot.second, 1.0),
            xycoords=("data", "axes fraction"),
            xybox=((position + 0.5) / len(shots), 1.0),
            boxcoords=("axes fraction", "axes fraction"),
            box_alignment=(0.5, -gap / (width * tall / wide)),
            pad=0.12,
            bboxprops={"edgecolor": colour, "linewidth": 3.0 if shot.abnormal else 1.0},
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkB": 0},
            annotation_clip=False,
        )
        axes.add_artist(box)
    return height + gap
