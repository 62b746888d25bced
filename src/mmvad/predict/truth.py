"""Ground truth of a video that is predicted: from a file of the user's, or from the bank that knows the video."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from mmvad.bank.index import BankVideo
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.errors import UserError
from mmvad.predict.prediction import TrueEvent

_FORM = "lines of start,end or start,end,class, in seconds"


def read_truth(path: Path, benchmark: Benchmark) -> tuple[TrueEvent, ...]:
    """The events of a CSV file `start,end[,class]` in seconds, with or without a heading; none: a normal video.

    Raises UserError, naming the line, for what is no number, an end before its start, an unknown class.
    """
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), skipinitialspace=True))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(path, f"cannot be read: {error}", expected=_FORM) from error
    rows = [(number, line) for number, line in enumerate(lines, 1) if any(cell.strip() for cell in line)]
    if rows and rows[0][1][0].strip().lower() == "start":
        del rows[0]
    return tuple(_event(f"{path}, line {number}", line, benchmark) for number, line in rows)


def truth_file(path: Path, name: str) -> Path | None:
    """The truth of the video of that name: the file itself, or NAME.csv in a folder; None where it has none."""
    if not path.is_dir():
        return path
    file = path / f"{name}.csv"
    return file if file.is_file() else None


def bank_truth(video: BankVideo, benchmark: Benchmark, edges: np.ndarray | None = None) -> tuple[TrueEvent, ...]:
    """The annotated events of a bank's test video; where the classes are not annotated, its intervals.

    Annotations count frames. They are timed by the snippets of the file at hand, which begin at `edges` [n + 1], if it
    has as many as the bank's video, give or take one; by the benchmark's rate if it was made anew at another rate.
    """
    rate, clock = video.timing.fps or benchmark.frames_per_second, None
    if edges is not None and abs(len(edges) - 1 - video.snippets) <= 1:
        clock = edges

    def seconds(frame: int) -> float:
        if clock is None:
            return frame / rate
        borders = video.timing.borders(len(clock) - 1)
        beyond = max(frame - int(borders[-1]), 0)
        return float(np.interp(frame, borders, clock)) + beyond / rate

    if video.events:
        return tuple(TrueEvent(seconds(e.start), seconds(e.end), e.label) for e in video.events)
    return tuple(TrueEvent(seconds(start), seconds(end), None) for start, end in video.intervals)


def _event(where: str, cells: list[str], benchmark: Benchmark) -> TrueEvent:
    try:
        start, end = float(cells[0]), float(cells[1])
    except (ValueError, IndexError):
        raise UserError(where, f"{','.join(cells)!r}", expected=_FORM) from None
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        raise UserError(where, f"from {cells[0]} to {cells[1]} s", expected="0 <= start < end, in seconds")
    label = cells[2].strip() if len(cells) > 2 and cells[2].strip() else None
    if label is not None:
        benchmark.class_index(label, where)
    return TrueEvent(start, end, label)
