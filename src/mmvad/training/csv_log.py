"""Lightning's figures as one CSV file, in which a resumed run goes on; Lightning's own logger would begin it anew."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from mmvad.errors import UserError
from mmvad.system.disk import write_whole
from mmvad.training.history import as_csv


class CsvLog(Logger):
    """One row a step. Figures of a step that stands there already take the place of its own, or stand beside them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: dict[int, dict[str, float]] = {}
        if path.is_file():
            self.rows = _read(path)

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *arguments: Any, **named: Any) -> None:
        """They stand in `config.yaml`."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Adds figures to a step's row, by default the last one's."""
        step = max(self.rows, default=0) if step is None else step
        self.rows.setdefault(step, {}).update({name: float(value) for name, value in metrics.items()})
        write_whole(self.path, as_csv([{"step": each, **self.rows[each]} for each in sorted(self.rows)]).encode())


def _read(path: Path) -> dict[int, dict[str, float]]:
    """What an earlier process logged. Raises UserError for a file that someone else has changed."""
    try:
        with open(path, newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        return {int(row.pop("step")): {name: float(text) for name, text in row.items() if text} for row in rows}
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        fix = "delete it: the log then begins with the next epoch"
        raise UserError(path, f"is no log of this run: {error!r}", fix=fix) from None
