"""The loggers of a run: W&B offline, one CSV file however often a run is resumed, what is not installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmvad.config.load import load_config
from mmvad.errors import UserError
from mmvad.runs import RunFolder
from mmvad.training import tracking
from mmvad.training.csv_log import CsvLog
from mmvad.training.prepare import prepare
from mmvad.training.train import train
from tests import forked
from tests.runs import MEASURED, arguments, command, configured


@pytest.mark.slow
def test_an_offline_wandb_run(bank: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    inside = {f"WANDB_{name}": str(tmp_path / name.lower()) for name in ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR")}
    environment = {**os.environ, **inside, "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    environment.pop("WANDB_MODE", None)
    words = command(*arguments(bank, tmp_path / "results", "runtime.wandb=offline"))
    done = forked.run(words, env=environment, cwd=tmp_path, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    folder = prepare(configured(bank, tmp_path / "results")).folder
    assert folder.finished
    (offline,) = (folder.path / "wandb").glob("offline-run-*")
    assert list(offline.glob("*.wandb"))
    assert not (tmp_path / "wandb").exists()
    quiet = train(configured(bank, tmp_path / "quiet"))
    assert quiet.report.read_bytes() == folder.report.read_bytes()


def test_a_csv_log_goes_on_where_a_run_resumes(bank: Path, tmp_path: Path) -> None:
    def stop(epoch: int, figures: dict[str, float]) -> None:
        if epoch == 1:
            raise RuntimeError

    more = ("runtime.loggers=[csv]", MEASURED, "runtime.checkpoint_every=2")
    whole = train(configured(bank, tmp_path / "whole", *more))
    with pytest.raises(RuntimeError):
        train(configured(bank, tmp_path / "resumed", *more), stop)
    resumed = train(configured(bank, tmp_path / "resumed", *more))
    texts = [(folder.path / "metrics.csv").read_text() for folder in (whole, resumed)]
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) == 1 + 3
    assert {"val/ap", "loss/total", "test/ap"} <= set(texts[0].splitlines()[0].split(","))


@pytest.mark.parametrize("text", ["garbage\n1,2\n", "step,loss\n1.5,2\n", "step,loss\n1,2,3\n", "step,loss\n1,x\n"])
def test_a_csv_log_that_someone_changed_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=r"metrics\.csv: is no log of this run") as caught:
        CsvLog(file)
    assert "fix: delete it" in str(caught.value)


def test_tensorboard_that_is_not_there_is_named(bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError

    monkeypatch.setattr(tracking, "TensorBoardLogger", missing)
    with pytest.raises(UserError, match=r"(?s)runtime\.loggers: the package tensorboard .*mmvad\[tensorboard\]"):
        train(configured(bank, tmp_path, "runtime.loggers=[tensorboard]"))


def test_wandb_is_one_of_the_loggers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[object] = []
    monkeypatch.setattr(tracking, "wandb_logger", lambda *words: asked.append((words[0], words[-1])))
    for more in ((), ("runtime.loggers=[wandb]",), ("runtime.loggers=[wandb]", "runtime.wandb=offline")):
        tracking.run_loggers(load_config([], more), RunFolder(tmp_path), "identity")
    assert asked == [("auto", "identity"), ("online", "identity"), ("offline", "identity")]
    with pytest.raises(UserError, match=r"runtime\.loggers"):
        load_config([], ["runtime.loggers=[wandb]", "runtime.wandb=off"])
