"""A grid, run: which cells are finished and where, which are left, and the engine on those."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmvad.config.load import plain
from mmvad.errors import UserError
from mmvad.runs import read_json
from mmvad.sweeps.cells import Cell
from mmvad.sweeps.engine import Engine, Standing
from mmvad.sweeps.record import COMPLETE, FAIL, RUNNING, WAITING, Record
from mmvad.sweeps.storage import Database
from mmvad.sweeps.study import Queue
from mmvad.sweeps.worker import DEFAULT_TRAINER, GridWorker, modules_of

LOG = logging.getLogger("mmvad")
HERE, ELSEWHERE, NEW = "done", "done elsewhere", "new"
STATES = {COMPLETE: ELSEWHERE, RUNNING: "running", WAITING: "waiting", FAIL: "failed"}


@dataclass(frozen=True)
class CellState:
    """A cell and how it stands: done (here), done elsewhere, running, waiting, failed, or new."""

    cell: Cell
    state: str
    reason: str = ""

    @property
    def finished(self) -> bool:
        return self.state in {HERE, ELSEWHERE}


def cell_states(cells: Sequence[Cell], queue: Queue | None) -> list[CellState]:
    """How every cell stands, by its run folder and the database."""
    records = queue.states([cell.identity for cell in cells]) if queue else {}
    return [_state(cell, records.get(cell.identity)) for cell in cells]


def _state(cell: Cell, record: Record | None) -> CellState:
    if cell.folder.finished:
        return CellState(cell, HERE)
    if record is None:
        return CellState(cell, NEW)
    return CellState(cell, STATES[record.state], record.reason if record.state == FAIL else "")


def limited(states: Sequence[CellState], limit: int | None, *, retry_failed: bool) -> list[Cell]:
    """The cells of this command: all of them, or the finished ones and `limit` more."""
    ends = {HERE, ELSEWHERE} if retry_failed else {HERE, ELSEWHERE, "failed"}
    left = [s.cell.identity for s in states if s.state not in ends]
    taken = set(left if limit is None else left[:limit])
    return [s.cell for s in states if s.state in ends or s.cell.identity in taken]


def run_grid(
    study_name: str,
    cells: Sequence[Cell],
    database: Database,
    *,
    workers: int = 1,
    retry_failed: bool = False,
    trainer: str = DEFAULT_TRAINER,
) -> list[CellState]:
    """Runs what is not finished; gives how every cell ended."""
    if not cells:
        return []
    queue = Queue(database)
    configs: dict[str, Any] = {cell.identity: plain(cell.config) for cell in cells}
    queue.enqueue(study_name, configs, reports_here(cells), retry_failed=retry_failed)

    def standing() -> Standing:
        count = [record.state for record in queue.states(configs).values()].count
        return Standing(len(configs), count(COMPLETE), count(FAIL), count(RUNNING))

    job = GridWorker(database.url, {cell.identity: cell.config for cell in cells}, trainer, database.patience)
    open_cells = sum(not state.finished for state in cell_states(cells, queue))
    results = cells[0].config.runtime.results
    Engine(job, standing, results, min(workers, max(1, open_cells)), modules_of(trainer)).run()
    return cell_states(cells, queue)


def reports_here(cells: Sequence[Cell]) -> dict[str, dict[str, Any]]:
    """By identity, report and manifest of the cells whose run folders are finished."""
    found = {}
    for cell in cells:
        if cell.folder.finished:
            manifest = read_json(cell.folder.manifest) if cell.folder.manifest.is_file() else {}
            report = read_json(cell.folder.report)
            if report.get("identity") != cell.identity:
                raise UserError(cell.folder.report, "is another run's report", fix="remove the folder and run again")
            found[cell.identity] = {"report": report, "manifest": manifest}
    return found
