"""Training steps as CUDA graphs of fused kernels, by torch.compile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import torch
from torch import Tensor

from mmvad.models.model import Batch, Model

Losses = Callable[[Model, Batch], dict[str, Tensor]]
WORTH_COMPILING = 2000
"""Steps of a run. Compiling takes a quarter of a minute to a minute and saves 20 ms a step and more (docs/LOG.md)."""


def batch_losses(model: Model, batch: Batch) -> dict[str, Tensor]:
    """From a batch to the model's losses."""
    output = model(batch)
    with torch.autocast(batch.visual.device.type, enabled=False):
        return model.losses(output, batch)


def compiled_losses() -> Losses:
    """`batch_losses` as CUDA graphs of fused kernels, one a batch's shape. What was compiled before is forgotten.

    torch keeps eight forms of one function and runs further ones plainly: the ninth cell of a sweep's worker would be.
    """
    torch.compiler.reset()
    return torch.compile(batch_losses, mode="reduce-overhead", dynamic=False)


def compiles(wish: str, model: Model, device: torch.device, steps: float) -> bool:
    """Whether training steps are compiled, under `runtime.compile`. A CPU leaves padding out instead."""
    if device.type != "cuda" or wish == "off":
        return False
    return wish == "on" or (model.one_graph and steps >= WORTH_COMPILING and _can_compile())


def _can_compile() -> bool:
    from torch.utils._triton import has_triton

    return has_triton() and any(shutil.which(name) for name in (os.environ.get("CC", "cc"), "gcc", "clang"))
