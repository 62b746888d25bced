"""Boxes and arrows for diagrams, drawn by matplotlib: the same bytes from the same call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tools.figures.pictures import small_picture

INK = "#1f2933"
QUIET = "#5f6b7a"
FILLS = {
    "input": "#eef1f5",
    "frozen": "#d8e8fb",
    "learned": "#d9f2df",
    "loss": "#fde7cf",
    "output": "#f6e2f3",
}
EDGES = {"input": "#8895a7", "frozen": "#3b7dd8", "learned": "#2f9e53", "loss": "#d9822b", "output": "#a855a1"}
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "svg.hashsalt": "mmvad",
    "svg.fonttype": "path",
    "mathtext.fontset": "dejavusans",
}


@dataclass(frozen=True)
class Box:
    """A rounded box around a centre.

    Attributes:
        text: its title.
        small: smaller text below the title.
    """

    x: float
    y: float
    text: str
    kind: str = "learned"
    small: str = ""
    width: float = 1.7
    height: float = 0.86

    @property
    def left(self) -> tuple[float, float]:
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y

    @property
    def top(self) -> tuple[float, float]:
        return self.x, self.y + self.height / 2

    @property
    def bottom(self) -> tuple[float, float]:
        return self.x, self.y - self.height / 2


def canvas(width: float, height: float, scale: float) -> tuple[Figure, Axes]:
    """An empty white figure of so many units; `scale` is inches a unit, so that a smaller one makes the text larger."""
    figure = plt.figure(figsize=(scale * width, scale * height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    return figure, axes


def draw_box(axes: Axes, box: Box) -> None:
    """The box with its title, and what stands below the title."""
    corner = (box.x - box.width / 2, box.y - box.height / 2)
    axes.add_patch(
        FancyBboxPatch(
            corner,
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=FILLS[box.kind],
            edgecolor=EDGES[box.kind],
            linewidth=1.4,
        )
    )
    lines = box.text.count("\n") + 1
    shift = 0.1 + 0.04 * (lines - 1) if box.small else 0.0
    axes.text(box.x, box.y + shift, box.text, ha="center", va="center", size=10.5, weight="bold", color=INK)
    if box.small:
        axes.text(box.x, box.y - 0.13 - 0.12 * (lines - 1), box.small, ha="center", va="center", size=8.6, color=INK)


def draw_arrow(axes: Axes, points: Sequence[tuple[float, float]], *, dashed: bool = False) -> None:
    """A line through the points with a head at the last one."""
    style: dict[str, Any] = {"color": QUIET, "linewidth": 1.5, "linestyle": (0, (4, 2.5)) if dashed else "-"}
    if len(points) > 2:
        xs, ys = zip(*points[:-1])
        axes.plot(xs, ys, solid_capstyle="round", solid_joinstyle="round", zorder=0.5, **style)
    start, end = points[-2], points[-1]
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, shrinkA=0, shrinkB=0, zorder=0.5, **style)
    )


def draw_bridge(axes: Axes, x: float, low: float, high: float) -> None:
    """A piece of an upright line that passes over a level one, which breaks off on both sides of it."""
    middle, reach = (low + high) / 2, (high - low) / 4
    axes.plot([x, x], [middle - reach, middle + reach], color="white", linewidth=9, solid_capstyle="butt", zorder=0.55)
    axes.plot([x, x], [low, high], color=QUIET, linewidth=1.5, solid_capstyle="butt", zorder=0.6)


def write(axes: Axes, x: float, y: float, text: str, **style: object) -> None:
    """Plain text around a point; `style` is matplotlib's."""
    given = {"ha": "center", "va": "center", "size": 8.8, "color": QUIET} | style
    axes.text(x, y, text, **given)  # type: ignore[arg-type]


def legend(axes: Axes, x: float, y: float, kinds: dict[str, str]) -> None:
    """A row of small boxes, each with what its colour means."""
    for kind, meaning in kinds.items():
        axes.add_patch(
            FancyBboxPatch(
                (x, y - 0.09),
                0.26,
                0.18,
                boxstyle="round,pad=0,rounding_size=0.04",
                facecolor=FILLS[kind],
                edgecolor=EDGES[kind],
                linewidth=1.2,
            )
        )
        axes.text(x + 0.34, y, meaning, ha="left", va="center", size=8.8, color=INK)
        x += 0.75 + 0.08 * len(meaning)


def save(figure: Figure, file: Path) -> list[Path]:
    """The figure as SVG and PNG beside each other, without the date; gives both files."""
    svg, png = file.with_suffix(".svg"), file.with_suffix(".png")
    figure.savefig(svg, metadata={"Date": None, "Creator": None})
    figure.savefig(png, dpi=150, metadata={"Software": None})
    plt.close(figure)
    small_picture(png, png)
    return [svg, png]
