"""What stands below a table of its seeds, folds and intervals: over what they are, and what they do not know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmvad.metrics.bootstrap import LEVEL
from mmvad.tables.definitions import Metric
from mmvad.tables.filled import FilledRow
from mmvad.tables.notes import first_few, together
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Selection

ENOUGH = 5
"""From so many seeds or folds on an interval is not said to be too narrow."""


def seed_notes(rows: Sequence[FilledRow], metrics: Sequence[Metric], selection: Selection | None = None) -> list[str]:
    """What is repeated in folds, which means are over fewer runs than their row has, and which differences are.

    Args:
        selection: of a table with differences, which are over what both rows have.
    """
    notes = [*_fold_note(rows), *_fewer_figures(rows, metrics)]
    seeds = len(selection.base.runs) if selection and selection.base else 0
    shared = [(row, row.difference.paired) for row in rows if row.difference and row.difference.paired]
    fewer = [f"{row.lead[0]} ({paired})" for row, paired in shared if paired < max(len(row.seeds), seeds)]
    if not fewer:
        return notes
    return [
        *notes,
        "means and deviations are over all seeds of a row, differences over those that it shares with the base row: "
        + ", ".join(fewer),
    ]


def _fold_note(rows: Sequence[FilledRow]) -> list[str]:
    folds = {len(row.folds) for row in rows if row.folds}
    if not folds:
        return []
    each = [len(row.seeds) / len(row.folds) for row in rows if row.folds]
    return [f"n counts runs: {_from_to(folds)} folds, each with {_from_to(each)} seed{'s' * (max(each) > 1)}"]


def _from_to(counts: Iterable[float]) -> str:
    low, high = min(counts), max(counts)
    return f"{high:g}" if low == high else f"{low:g} to {high:g}"


def _fewer_figures(rows: Sequence[FilledRow], metrics: Sequence[Metric]) -> list[str]:
    """A run may have no delay, since it found no event: the mean is over the others."""
    found: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        counts = {m.heading: cell.n for cell, m in zip(row.cells, metrics) if 0 < cell.n < len(row.seeds)}
        for n in dict.fromkeys(counts.values()):
            lacking = tuple(heading for heading, count in counts.items() if count == n)
            found.setdefault(lacking, []).append(f"{row.lead[0]} ({n} of {len(row.seeds)})")
    told = [f"{', '.join(headings)} of {', '.join(of)}" for headings, of in found.items()]
    return [f"over fewer runs than n, since the others have no such figure: {'; '.join(told)}"] if told else []


def interval_note(rows: Sequence[FilledRow], metric: Metric, selection: Selection, resampler: Resampler) -> str:
    """What the differences and their intervals are."""
    base = selection.base.row.label if selection.base else ""
    start = f"difference: {metric.heading} of the combined score minus that of the base row ({base}), in points"
    differences = [row.difference for row in rows if row.difference]
    reasons = sorted({d.reason for d in differences if d.reason})
    without = f"; without interval: {'; '.join(reasons)}" if reasons else ""
    bracketed = [d for d in differences if d.low is not None]
    if not bracketed:
        return start + without
    seeds = len(selection.base.runs) if selection.base else 0
    compared = [row for row in rows if row.difference in bracketed]
    drawn = [row.difference.paired or min(len(row.seeds), seeds) for row in compared if row.difference]
    pairing = (
        "paired by video and seed"
        if all(d.paired for d in bracketed)
        else "paired by video; where no seed is shared, not by seed"
    )
    return (
        f"{start}; in brackets its {LEVEL:.0%} interval from {resampler.resamples} bootstrap resamples "
        f"of {_units(compared)}, {pairing}{_few(compared, drawn)}{without}"
    )


def cell_interval_note(rows: Sequence[FilledRow], resampler: Resampler) -> list[str]:
    """What the brackets behind figures are, and why some figures have none."""
    within = [row for row in rows if any(cell.low is not None for cell in row.cells)]
    without = together([cell.unbounded for row in rows for cell in row.cells if cell.unbounded])
    notes = []
    if within:
        notes.append(
            f"in brackets behind a figure its {LEVEL:.0%} interval from {resampler.resamples} bootstrap resamples of "
            f"{_units(within)}{_few(within, [len(row.seeds) for row in within])}"
        )
    return [*notes, *([f"without interval: {first_few(without)}"] if without else [])]


def _units(rows: Sequence[FilledRow]) -> str:
    return "test videos, folds and seeds" if any(row.folds for row in rows) else "test videos and seeds"


def _few(rows: Sequence[FilledRow], drawn: Sequence[int]) -> str:
    """What an interval lacks that was drawn from so few: of n, resampling finds (n - 1) / n of the variance.

    Folds are drawn before their seeds, and a fold of one seed has that seed's noise in it.

    Args:
        drawn: how many runs of each row were drawn from.
    """
    folds = min((len(row.folds) for row in rows if row.folds), default=0)
    if folds:
        return f"; from {folds} folds it understates their noise" if folds < ENOUGH else ""
    seeds = min(drawn)
    if seeds == 1:
        return "; with one seed it knows nothing of seeds"
    return f"; from {seeds} seeds it understates their noise" if seeds < ENOUGH else ""
