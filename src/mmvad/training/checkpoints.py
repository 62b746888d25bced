"""Checkpoints of a run: the last epoch's, from which a killed run goes on, and the best one where a policy asks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint

from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.runs import RunFolder
from mmvad.system.disk import disk_errors

LAST, BEST = "last.ckpt", "best.ckpt"


class RunCheckpoints(Checkpoint):
    """Keeps `last.ckpt`, and `best.ckpt` by `monitor` (higher is better, the first of equals); written aside, renamed.

    Args:
        folder: the run's checkpoint folder.
        identity: kept inside, so that a checkpoint is never loaded into another run.
        every: epochs between `last.ckpt`s; the final epoch always gets one.
        monitor: the logged figure that decides the best; None keeps no best.
        reload: every epoch goes on from the best weights so far (`quirks.reload_best`).
    """

    def __init__(self, folder: Path, identity: str, every: int, monitor: str | None, *, reload: bool = False) -> None:
        self.folder, self.identity, self.every, self.monitor = folder, identity, every, monitor
        self.reload = reload
        self.best: float | None = None
        self.best_epoch: int | None = None

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["mmvad"] = {"identity": self.identity, "epoch": trainer.current_epoch}

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        better = self._keep_best(trainer) if self.monitor is not None else False
        if self.reload and not better:
            cast(Any, pl_module).load_weights(read_checkpoint(self.folder / BEST, self.identity)["state_dict"])
        done = trainer.current_epoch + 1
        # a resumed run must not start before the best weights that it will reload
        if done % self.every == 0 or done == trainer.max_epochs or (self.reload and better):
            self._save(trainer, LAST)

    def save_untrained(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Writes `last.ckpt` of a module whose weights came from elsewhere."""
        trainer.strategy.connect(pl_module)
        self._save(trainer, LAST)

    def _keep_best(self, trainer: lightning.Trainer) -> bool:
        """Keeps the weights if they are the best so far; whether they are."""
        figure = float(trainer.callback_metrics[cast(str, self.monitor)])
        if self.best is not None and figure <= self.best:
            return False
        self.best, self.best_epoch = figure, trainer.current_epoch
        self._save(trainer, BEST)
        return True

    def _save(self, trainer: lightning.Trainer, name: str) -> None:
        target = self.folder / name
        partial = target.with_name(name + ".partial")
        with disk_errors(target):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                trainer.save_checkpoint(partial)
                os.replace(partial, target)
            except OSError:
                partial.unlink(missing_ok=True)
                raise


def chosen_checkpoint(config: Config, folder: RunFolder) -> Path:
    """The checkpoint that `select` names."""
    return folder.checkpoints / (LAST if config.select == "last" else BEST)


def read_checkpoint(path: Path, identity: str) -> dict[str, Any]:
    """A checkpoint's content. Raises UserError where it is missing, unreadable, or another run's."""
    if not path.is_file():
        raise UserError(path, "no such checkpoint", fix=_made_again(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        owner = content["mmvad"]["identity"]
    except Exception as error:
        raise UserError(
            path,
            f"is no checkpoint of mmvad ({type(error).__name__})",
            expected="a file that torch reads with weights_only=True and that mmvad wrote",
            fix=_made_again(path),
        ) from error
    if owner != identity:
        raise UserError(
            path,
            f"is a checkpoint of another configuration (identity {owner[:12]})",
            expected=f"one of this run (identity {identity[:12]})",
            fix="test the run folder that it came from",
        )
    return content


def _made_again(path: Path) -> str:
    """How a run makes a checkpoint anew: what would keep it from that is removed first.

    A report ends the run, and one that goes on from its last epoch finds no best one. A file of another name was given
    by hand and is none that a run makes: nobody is told to remove it.
    """
    if path.name not in {LAST, BEST}:
        return f"name a checkpoint of the run: {LAST} or {BEST} in its checkpoints/"
    beside = [path.with_name(LAST)] if path.name == BEST else []
    found = [file.name for file in (*beside, path.parent.parent / "report.json") if file.is_file()]
    names = [*(["it"] if path.is_file() else []), *found]
    return f"remove {' and '.join(names)}, then train again" if names else "run `mmvad train` for this configuration"
