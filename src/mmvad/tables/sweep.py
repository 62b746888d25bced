"""The table of a sweep as it ends: the same as the report's, from the sweep's own runs alone, with what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmvad.config.identity import recipe
from mmvad.config.load import plain
from mmvad.config.shipped import shown_path
from mmvad.metrics.bootstrap import RESAMPLES
from mmvad.sweeps.definition import Sweep
from mmvad.sweeps.grid import HERE, CellState
from mmvad.tables.choosing import joined
from mmvad.tables.definitions import Row
from mmvad.tables.expected import WEIGHTS
from mmvad.tables.fill import compared, fill_study
from mmvad.tables.filled import FilledTable
from mmvad.tables.frame import collect_folders
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results, RowRuns
from mmvad.tables.scored import Truths
from mmvad.tables.studies import study_of_sweep


def sweep_table(
    sweep: Sweep, states: Sequence[CellState], overrides: Sequence[str], go_on: str, *, resamples: int = RESAMPLES
) -> FilledTable | None:
    """Mean, deviation and n of every row, and its difference to the base row; None where no cell is finished here.

    Where the base row has no runs, the others are compared to the first row that has some.

    Args:
        overrides: `key=value` for every cell.
        go_on: the command that runs what is missing.
    """
    finished = [state.cell.folder for state in states if state.state == HERE]
    if not finished:
        return None
    truths = Truths([states[0].cell.config.data.bank])
    results = Results(collect_folders(finished, [sweep.file], truths).frame)
    study = study_of_sweep(sweep, overrides, go_on)
    selection = compared(joined(results, study))
    rows = tuple(replace(row, failed=_failed(row.row, states)) for row in selection.rows)
    base = next((row for row in rows if selection.base and row.row is selection.base.row), None)
    selection = replace(selection, rows=rows, base=base, unfinished=_waiting(rows, states))
    resampler = Resampler(truths, resamples)
    table = fill_study(study, results, resampler, selection)
    first = f"from the {len(finished)} finished of {len(states)} cells of {shown_path(sweep.file)}"
    return replace(table, notes=(first, *table.notes))


def _of_row(row: Row, states: Sequence[CellState]) -> list[CellState]:
    """The cells of a row: one a seed."""
    return [] if row.silent else [state for state in states if _is_of(row, state)]


def _is_of(row: Row, state: CellState) -> bool:
    weights = state.cell.config.model.text.weights
    return recipe(plain(state.cell.config)) == row.recipe and row.settings.get(WEIGHTS, weights) == weights


def _failed(row: Row, states: Sequence[CellState]) -> tuple[tuple[int, str], ...]:
    return tuple((s.cell.config.seed, _short(s.reason)) for s in _of_row(row, states) if s.state == "failed")


def _short(reason: str) -> str:
    text = " ".join(reason.split())
    return text if len(text) <= 200 else f"{text[:199]}…"


def _waiting(rows: Sequence[RowRuns], states: Sequence[CellState]) -> tuple[str, ...]:
    """Cells that are neither finished nor failed, of rows that have others."""
    return tuple(
        f"{row.row.label} (seed {state.cell.config.seed})"
        for row in rows
        if row.runs
        for state in _of_row(row.row, states)
        if state.state not in {HERE, "failed"}
    )
