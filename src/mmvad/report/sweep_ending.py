"""How a sweep ends: reports of other machines come here, its table is printed and written, failures are named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmvad.errors import UserError
from mmvad.report.render import print_table, write_table
from mmvad.sweeps.cells import Cell
from mmvad.sweeps.definition import Sweep
from mmvad.sweeps.grid import ELSEWHERE, CellState, cell_states
from mmvad.sweeps.pull import pull
from mmvad.sweeps.storage import Database
from mmvad.sweeps.study import Queue
from mmvad.system.disk import disk_errors
from mmvad.system.terminal import Terminal
from mmvad.tables.sweep import sweep_table

EXIT_FAILED_CELLS = 1
TABLES = Path("report") / "sweeps"
"""Where the tables of sweeps lie in a results folder."""


def conclude(
    sweep: Sweep, cells: Sequence[Cell], database: Database, before: int, overrides: Sequence[str], go_on: str
) -> int:
    """Prints how a sweep ended, with its table; the exit code, 1 where cells failed.

    Args:
        before: how many cells were finished when the command began.
        go_on: the command that runs what is missing.
    """
    states = cell_states(cells, Queue(database))
    elsewhere = {state.cell.identity for state in states if state.state == ELSEWHERE}
    if elsewhere:
        _fetch(database, cells[0].config.runtime.results, elsewhere)
        states = cell_states(cells, Queue(database))
    if cells:
        _show_table(sweep, states, overrides, go_on)
    return _summarise(states, before)


def _fetch(database: Database, results: Path, identities: set[str]) -> None:
    try:
        came = pull(database, results, identities).came
    except UserError as error:  # a full disk: the sweep has ended well all the same
        print(f"not pulled from the database: {error}")
    else:
        print(f"{came} reports of other machines pulled from the database to {results}")


def _show_table(sweep: Sweep, states: Sequence[CellState], overrides: Sequence[str], go_on: str) -> None:
    table = sweep_table(sweep, states, overrides, go_on)
    if table is None:
        return
    folder = states[0].cell.config.runtime.results / TABLES
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        files = write_table(table, folder, f"{sweep.file.stem}_{sweep.benchmark}")
    print_table(table, Terminal(width=140))
    print(f"  {files[0].with_suffix('')}.md, .tex, .csv")


def _summarise(states: Sequence[CellState], before: int) -> int:
    finished = sum(state.finished for state in states)
    failed = [state for state in states if state.state == "failed"]
    print(f"{finished} of {len(states)} cells finished ({before} before), {len(failed)} failed")
    for state in failed:
        print(f"  failed: {state.cell.title}: {state.reason}")
    if failed:
        print("  fix: the same command with --retry-failed, when the reason is gone")
    return EXIT_FAILED_CELLS if failed else 0
