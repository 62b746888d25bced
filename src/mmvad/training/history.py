"""Figures of every epoch: one line on the screen, one row in `epochs.csv`, and all of them inside the checkpoint."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from mmvad.system.disk import write_whole
from mmvad.system.log import LOG


class EpochHistory(Callback):
    """Logs each epoch with an estimate of the time left. A resumed run goes on with the rows that it had."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self.started = 0.0
        self.first_epoch = 0
        self.rate = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.started, self.first_epoch = time.monotonic(), trainer.current_epoch

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.rate = trainer.optimizers[0].param_groups[0]["lr"]  # at the epoch's end it is the next one's already

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        figures = {k: float(v) for k, v in sorted(trainer.callback_metrics.items()) if k.startswith(("loss/", "val/"))}
        self.rows.append({"epoch": trainer.current_epoch, "learning_rate": self.rate, **figures})
        write_whole(self.path, as_csv(self.rows).encode())
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        left = (time.monotonic() - self.started) / (done - self.first_epoch) * (total - done)
        shown = "  ".join(f"{name.removeprefix('loss/')} {value:.4f}" for name, value in figures.items())
        LOG.info(f"epoch {done}/{total}  {shown}  {_minutes(left)} left")


def as_csv(rows: list[dict[str, float]]) -> str:
    """The rows as CSV, with the columns of all of them."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
