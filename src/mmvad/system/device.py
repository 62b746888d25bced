"""Where networks run: the device and the precision, each chosen once for training, prediction and extraction alike."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import NamedTuple

import torch

from mmvad.errors import UserError


class Device(NamedTuple):
    """Device and precision in use, with the reason, for the log.

    Attributes:
        precision: as Lightning names it: `32-true`, `bf16-mixed`, `16-mixed`.
    """

    torch: torch.device
    precision: str
    reason: str

    @property
    def name(self) -> str:
        return torch.cuda.get_device_name(self.torch) if self.torch.type == "cuda" else "CPU"


def torch_device(name: str, where: str) -> torch.device:
    """The device of that name; `auto` is a GPU where there is one.

    Args:
        where: the key or option that named it, for the UserError that it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = "torch sees no CUDA device" if "cuda" in name and not torch.cuda.is_available() else error
        raise UserError(
            where,
            f"{name!r} cannot be used ({reason})",
            expected="auto, cpu, or a CUDA device that torch sees",
            fix=f"set {where} to cpu",
        ) from error
    return device


def training_device(device: str, precision: str, threads: int = 0) -> Device:
    """Device and precision for `runtime.device` and `runtime.precision`. Raises UserError for what cannot be had.

    Args:
        threads: CPU threads that torch shall take from now on; 0 leaves its own choice.
    """
    if threads:
        torch.set_num_threads(threads)
    chosen = torch_device(device, "runtime.device")
    if precision == "16-mixed" and chosen.type == "cpu":
        raise UserError("runtime.precision", "16-mixed needs CUDA", expected="bf16-mixed or 32-true on the CPU")
    if precision != "auto":
        return _device(chosen, precision, "as configured")
    if chosen.type == "cpu":
        return _device(chosen, "32-true", "auto: CPU")
    major, minor = torch.cuda.get_device_capability(chosen)
    best = "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return _device(chosen, best, f"auto: CUDA SM {major}.{minor}")


def _device(chosen: torch.device, precision: str, why: str) -> Device:
    found = Device(chosen, precision, "")
    return found._replace(reason=f"{found.name}, {precision} ({why})")


def tower_precision(name: str, device: torch.device) -> str:
    """`auto` is float16 beside float32 (mixed precision) on a GPU, as CLIP was published, and float32 on a CPU."""
    if name != "auto":
        return name
    return "float16" if device.type == "cuda" else "float32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision for what runs inside; none for float32."""
    return torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32")
