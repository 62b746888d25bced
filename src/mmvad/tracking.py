"""Weights & Biases, the only file that knows it. Off by default, on under a W&B agent, offline where asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from mmvad.errors import UserError


def wandb_mode(wish: str) -> str | None:
    """`online`, `offline`, or None for no logging; `auto` logs only under an agent (WANDB_SWEEP_ID is set)."""
    if wish == "off" or (wish == "auto" and not os.environ.get("WANDB_SWEEP_ID")):
        return None
    return "online" if wish == "auto" else wish


def wandb_logger(wish: str, folder: Path, name: str, config: dict[str, Any]) -> Logger | None:
    """A Lightning logger for the run, or None. WANDB_MODE overrules `online`, as W&B's users expect.

    Raises UserError where wandb is not installed.
    """
    mode = wandb_mode(wish)
    if mode is None:
        return None
    try:
        import wandb  # noqa: F401
        from lightning.pytorch.loggers import WandbLogger
    except ModuleNotFoundError:
        fix = "pip install 'mmvad[wandb]', or set runtime.wandb=off"
        raise UserError("runtime.wandb", "the package wandb is not installed", fix=fix) from None
    offline = mode == "offline" or os.environ.get("WANDB_MODE") == "offline"
    return WandbLogger(name=name, save_dir=folder, project="mmvad", config=config, offline=offline, log_model=False)
