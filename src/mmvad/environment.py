"""Where a run takes place: device, precision, threads; and what is recorded of it."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mmvad.config.schema import Runtime
from mmvad.errors import UserError

PACKAGES = ("mmvad", "torch", "lightning", "open_clip_torch", "torchmetrics", "numpy", "pandas")


class Place(NamedTuple):
    """Device and precision in use, each with the reason, for the log."""

    device: torch.device
    precision: str
    reason: str


def choose_place(runtime: Runtime) -> Place:
    """Device and precision for `runtime.device` and `runtime.precision`. Raises UserError where CUDA is missing."""
    cuda = torch.cuda.is_available()
    if runtime.device == "cuda" and not cuda:
        raise UserError("runtime.device", "'cuda', but torch sees no CUDA device", fix="set runtime.device=cpu or auto")
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    device = torch.device("cuda" if cuda and runtime.device != "cpu" else "cpu")
    if runtime.precision != "auto":
        if runtime.precision == "16-mixed" and device.type == "cpu":
            raise UserError("runtime.precision", "16-mixed needs CUDA", expected="bf16-mixed or 32-true on the CPU")
        return Place(device, runtime.precision, f"{_name(device)}, {runtime.precision} (as configured)")
    if device.type == "cpu":
        return Place(device, "32-true", f"{_name(device)}, 32-true (auto: CPU)")
    precision = "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    major, minor = torch.cuda.get_device_capability(device)
    return Place(device, precision, f"{_name(device)}, {precision} (auto: CUDA SM {major}.{minor})")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def provenance(place: Place) -> dict[str, Any]:
    """Host, device, versions, commit and command, for the manifest."""
    return {
        "command": sys.argv,
        "host": platform.node(),
        "platform": platform.platform(),
        "device": _name(place.device),
        "precision": place.precision,
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "git": git_state(Path(__file__).parent),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of the checkout that the package runs from and whether it was changed; None outside a checkout."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return result.stdout.strip()


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
