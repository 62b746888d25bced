"""The loggers of a run. W&B, which only this file knows, is off by default, on under an agent, offline where asked."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger

from mmvad.config.load import plain
from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.runs import RunFolder, read_json
from mmvad.system.log import LOG
from mmvad.training.csv_log import CsvLog
from mmvad.training.run_report import report_figures


def wandb_mode(requested: str) -> str | None:
    """`online`, `offline`, or None for no logging; `auto` logs only under an agent (WANDB_SWEEP_ID is set)."""
    if requested == "off" or (requested == "auto" and not os.environ.get("WANDB_SWEEP_ID")):
        return None
    return "online" if requested == "auto" else requested


def wandb_logger(
    requested: str, folder: Path, name: str, config: dict[str, Any], identity: str | None = None
) -> Logger | None:
    """A Lightning logger for the run, or None. WANDB_MODE overrules `online`, as W&B's users expect.

    W&B's run is named by the identity, so that a resumed run is one there too; an agent, or WANDB_RUN_ID, names it
    otherwise.

    Raises UserError where wandb is not installed, and where W&B cannot be reached.
    """
    mode = wandb_mode(requested)
    if mode is None:
        return None
    try:
        import wandb
        from lightning.pytorch.loggers import WandbLogger
    except ModuleNotFoundError:
        fix = "pip install 'mmvad[wandb]', or set runtime.wandb=off"
        raise UserError("runtime.wandb", "the package wandb is not installed", fix=fix) from None
    offline = mode == "offline" or os.environ.get("WANDB_MODE") == "offline"
    named = identity if not {"WANDB_RUN_ID", "WANDB_SWEEP_ID"} & set(os.environ) else None
    logger = WandbLogger(
        name=name, id=named, save_dir=folder, project="mmvad", config=config, offline=offline, log_model=False
    )
    try:
        logger.experiment  # noqa: B018 - begins the run: before training, not in the middle of it
    except wandb.Error as error:
        raise UserError(
            "runtime.wandb",
            f"W&B cannot be reached: {' '.join(str(error).split())}",
            expected="a network and a login (`wandb login`)",
            fix="set WANDB_MODE=offline, or runtime.wandb=off; a sweep runs without W&B by `mmvad sweep run FILE`",
        ) from None
    return logger


def run_loggers(config: Config, folder: RunFolder, identity: str) -> list[Logger]:
    """The loggers that `runtime.loggers` and `runtime.wandb` ask for. A resumed run goes on in each one's own log."""
    wanted, mode = config.runtime.loggers, config.runtime.wandb
    mode = "online" if "wandb" in wanted and mode == "auto" else mode
    found: list[Logger] = [CsvLog(folder.path / "metrics.csv")] if "csv" in wanted else []
    if "tensorboard" in wanted:
        found.append(tensorboard_logger(folder))
    wandb = wandb_logger(mode, folder.path, folder.path.name, plain(config), identity)
    return found if wandb is None else [*found, wandb]


def tensorboard_logger(folder: RunFolder) -> Logger:
    """TensorBoard's event files in the run's folder `tensorboard`. Raises UserError where it is not installed."""
    try:
        return TensorBoardLogger(folder.path, name=None, version="tensorboard")
    except ModuleNotFoundError:
        fix = "pip install 'mmvad[tensorboard]', or take it out of runtime.loggers"
        raise UserError("runtime.loggers", "the package tensorboard is not installed", fix=fix) from None


def log_report(report: dict[str, Any], loggers: Sequence[Logger] = ()) -> None:
    """Sends the test figures to the loggers and to the W&B run that is under way; nothing where there is none."""
    for logger in loggers:
        if isinstance(logger, CsvLog | TensorBoardLogger):
            logger.log_metrics(report_figures(report))
            logger.finalize("success")
    run = _run()
    if run is not None:
        run.log(report_figures(report))


def log_finished_run(requested: str, folder: RunFolder, config: dict[str, Any]) -> None:
    """Under a W&B agent a run that was done before is logged again from its folder: the sweep waits for its metric."""
    if not os.environ.get("WANDB_SWEEP_ID"):
        return
    logger = wandb_logger(requested, folder.path, folder.path.name, config)
    if logger is None:
        return
    for figures in _epochs(folder):
        logger.log_metrics(figures)
    log_report(read_json(folder.report))
    end_wandb_run()


def _epochs(folder: RunFolder) -> list[dict[str, float]]:
    """Every epoch's figures; none where only the report is here, as `mmvad sweep pull` leaves a run."""
    if not folder.epochs.is_file():
        LOG.warning(f"{folder.epochs}: no such file; W&B gets the test figures alone")
        return []
    with open(folder.epochs, newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def end_wandb_run() -> None:
    """Ends the W&B run that is under way, so that the next one in this process has its own."""
    run = _run()
    if run is not None:
        run.finish(exit_code=int(sys.exc_info()[0] is not None))


def _run() -> Any:
    return getattr(sys.modules.get("wandb"), "run", None)
