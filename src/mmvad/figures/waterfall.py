"""A figure that grows step by step, each step a bar from where the one before ended, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmvad.figures.pictures import Picture, save

FIRST, HABIT, HONEST, ABSENT = "#4c566a", "#d62728", "#2ca02c", "#b0b7bf"


class Bar(NamedTuple):
    """One step, in percent: where it begins and ends, the interval of its end, whether it is a habit.

    `start` is None for the first, which stands for itself; `end` for one that could not be had: then `absent` stands
    in its place.
    """

    name: str
    start: float | None
    end: float | None
    low: float | None = None
    high: float | None = None
    habit: bool = True
    absent: str = "not known"


def waterfall_figure(folder: Path, name: str, title: str, caption: str, bars: Sequence[Bar], unit: str) -> Picture:
    """Draws the steps from top to bottom; the axis begins a little below the lowest."""
    known = [value for bar in bars for value in (bar.start, bar.end, bar.low, bar.high) if value is not None]
    room = max((max(known) - min(known)) * 0.15, 0.5)
    figure = Figure(figsize=(7.5, 0.42 * len(bars) + 1.1), layout="constrained")
    axes = figure.add_subplot()
    for position, bar in enumerate(reversed(bars)):
        _draw(axes, position, bar, min(known) - room)
    axes.set_yticks(range(len(bars)), [bar.name for bar in reversed(bars)])
    axes.set(xlabel=unit, xlim=(min(known) - room, max(known) + 2 * room), ylim=(-0.6, len(bars) - 0.4))
    return Picture(title, caption, save(figure, folder, name))


def _draw(axes: Axes, position: int, bar: Bar, floor: float) -> None:
    if bar.end is None:
        axes.annotate(bar.absent, (floor, position), (6, 0), textcoords="offset points", va="center", color=ABSENT)
        return
    begin = floor if bar.start is None else bar.start
    colour = FIRST if bar.start is None else HABIT if bar.habit else HONEST
    axes.barh(position, bar.end - begin, left=begin, height=0.6, color=colour, alpha=0.85)
    right = max(bar.end, begin, bar.high or bar.end)
    if bar.low is not None and bar.high is not None:
        axes.plot([bar.low, bar.high], [position, position], color="black", linewidth=1.2)
    text = f"{bar.end:.2f}" if bar.start is None else f"{bar.end - bar.start:+.2f}"
    axes.annotate(text, (right, position), (4, 0), textcoords="offset points", va="center", fontsize=8)
