"""A run that logs to W&B offline."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mmvad.training.prepare import prepare
from mmvad.training.train import train
from tests.runs import arguments, command, configured


@pytest.mark.slow
def test_an_offline_wandb_run(bank: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    inside = {f"WANDB_{name}": str(tmp_path / name.lower()) for name in ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR")}
    environment = {**os.environ, **inside, "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    environment.pop("WANDB_MODE", None)
    words = command(*arguments(bank, tmp_path / "results", "runtime.wandb=offline"))
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    folder = prepare(configured(bank, tmp_path / "results")).folder
    assert folder.finished
    (offline,) = (folder.path / "wandb").glob("offline-run-*")
    assert list(offline.glob("*.wandb"))
    assert not (tmp_path / "wandb").exists()
    quiet = train(configured(bank, tmp_path / "quiet"))
    assert quiet.report.read_bytes() == folder.report.read_bytes()
