"""Lightning's trainer as the suite uses it: one device, quiet, and an interrupt stays an interrupt."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch

from mmvad.system.device import Device
from mmvad.system.progress import wants_progress
from mmvad.training.checkpoints import RunCheckpoints


def make_trainer(device: Device, **options: Any) -> lightning.Trainer:
    """Lightning's trainer for one device, quiet and deterministic where torch can be; no checkpoints but ours."""
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # it would write all twice
    # its hints (devices found, workers it would like) are not what our users came to read
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    return lightning.Trainer(
        accelerator="gpu" if device.torch.type == "cuda" else "cpu",
        devices=1,
        precision=device.precision,  # type: ignore[arg-type]
        enable_checkpointing=any(isinstance(c, RunCheckpoints) for c in options.get("callbacks", [])),
        enable_progress_bar=wants_progress(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1_000_000,
        deterministic="warn" if device.torch.type == "cuda" else True,
        **options,
    )


@contextmanager
def interrupts_pass() -> Iterator[None]:
    """Around every call of a trainer: raises the KeyboardInterrupt that Lightning makes an exit with code 1 of.

    Lightning also leaves Ctrl-C ignored behind it; whoever calls this from a notebook could not interrupt it again.
    """
    main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from end
        raise
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, before)
