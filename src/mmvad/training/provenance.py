"""Where and with what a run was made, for its manifest."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from mmvad.system.device import Device

PACKAGES = ("mmvad", "torch", "lightning", "open_clip_torch", "torchmetrics", "numpy", "pandas")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def provenance(device: Device) -> dict[str, Any]:
    """Host, device, versions, commit and command, for the manifest."""
    return {
        "command": sys.argv,
        "host": platform.node(),
        "platform": platform.platform(),
        "device": device.name,
        "precision": device.precision,
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
