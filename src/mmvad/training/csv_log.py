"""Lightning's figures as one CSV file, in which a resumed run goes on; Lightning's own logger would begin it anew."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from mmvad.system.disk import write_whole
from mmvad.training.history import as_csv


class CsvLog(Logger):
    """One row a step. Figures of a step that stands there already take the place of its own, or stand beside them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: dict[int, dict[str, float]] = {}
        if path.is_file():
            with open(path, newline="", encoding="utf-8") as lines:
                for row in csv.DictReader(lines):
                    self.rows[int(row["step"])] = {k: float(v) for k, v in row.items() if k != "step" and v}

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
