"""The device and the number format that the extraction's networks run in."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from mmvad.errors import UserError

PRECISIONS = ("auto", "float32", "float16", "bfloat16")


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is a GPU where there is one. Raises UserError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError("--device", f"{name!r} cannot be used ({error})", expected="auto, cpu, cuda, cuda:1") from error
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """`auto` is float16 beside float32 (mixed precision) on a GPU, as CLIP was published, and float32 on a CPU."""
    if name != "auto":
        return name
    return "float16" if device.type == "cuda" else "float32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision for what runs inside; none for float32."""
    return torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32")
