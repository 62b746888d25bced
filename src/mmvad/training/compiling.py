"""Training steps as CUDA graphs of fused kernels, by torch.compile."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mmvad.models.model import Batch, Model

Losses = Callable[[Model, Batch], dict[str, Tensor]]
WORTH_COMPILING = 2000
"""Steps of a run. Compiling takes 15 to 60 seconds; a step of the dual-stream network then takes 16 to 75 ms less."""


def batch_losses(model: Model, batch: Batch) -> dict[str, Tensor]:
    """From a batch to the model's losses."""
    output = model(batch)
    with torch.autocast(batch.visual.device.type, enabled=False):
        return model.losses(output, batch)


def compiled_losses() -> Losses:
    """`batch_losses` as CUDA graphs of fused kernels, for batches of the first one's shape; others run plainly.

    An epoch's last batch is mostly smaller, and compiling for it would take as long again. What was compiled before is
    forgotten: torch keeps eight forms of one function and runs further ones plainly, as the ninth cell of a sweep's
    worker would be. Dropout is drawn from another stream than without graphs, so that a seed means something else.
    """
    torch.compiler.reset()
    compiled: Losses = torch.compile(batch_losses, mode="reduce-overhead", dynamic=False)
    shape: torch.Size | None = None

    def losses(model: Model, batch: Batch) -> dict[str, Tensor]:
        nonlocal shape
        shape = shape or batch.visual.shape
        return (compiled if batch.visual.shape == shape else batch_losses)(model, batch)

    return losses


def compiles(requested: str, model: Model, device: torch.device, steps: float) -> bool:
    """Whether training steps are compiled, under `runtime.compile`.

    A CPU leaves padding out instead. A model that is no one graph would be compiled at every batch or epoch anew. By
    itself (`auto`) a model is compiled where the run is long.
    """
    if requested == "off" or device.type != "cuda" or not model.one_graph:
        return False
    return requested == "on" or (steps >= WORTH_COMPILING and _can_compile())


def _can_compile() -> bool:
    """Whether Triton is there and what it builds its launchers with: a C compiler, by its own rule, and Python.h."""
    from torch.utils._triton import has_triton

    chosen = os.environ.get("CC")
    compiler = shutil.which(chosen) if chosen else shutil.which("gcc") or shutil.which("clang")
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return has_triton() and compiler is not None and header.is_file()
