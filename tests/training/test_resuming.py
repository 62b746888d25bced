"""Runs that are killed, broken off, interrupted or started twice: the same command again gives the undisturbed run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from mmvad.cli.main import main
from mmvad.runs import RunFolder
from mmvad.system.disk import sole_writer
from mmvad.training import train as train_module
from mmvad.training.checkpoints import LAST, RunCheckpoints
from mmvad.training.prepare import prepare
from mmvad.training.train import train
from tests import forked
from tests.forked import DEVNULL, PIPE
from tests.runs import MEASURED, arguments, command, configured, refusal

LONG = ("optim.epochs=25", "optim.schedule=cosine", MEASURED)


class Killed(BaseException):
    pass


def undisturbed(bank: Path, results: Path, more: tuple[str, ...]) -> RunFolder:
    return train(configured(bank, results, *more))


@pytest.mark.slow
def test_killed_while_training_and_started_again(bank: Path, tmp_path: Path) -> None:
    folder = prepare(configured(bank, tmp_path / "killed", *LONG)).folder
    process = forked.start(command(*arguments(bank, tmp_path / "killed", *LONG)), stdout=DEVNULL)
    last = folder.checkpoints / LAST
    until = time.monotonic() + 300
    while not last.is_file() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert last.is_file()
    assert not folder.finished
    assert main(arguments(bank, tmp_path / "killed", *LONG)) == 0
    assert "resuming from" in folder.log.read_text()
    whole = undisturbed(bank, tmp_path / "whole", LONG)
    assert folder.report.read_bytes() == whole.report.read_bytes()
    assert folder.epochs.read_bytes() == whole.epochs.read_bytes()
    assert folder.scores.read_bytes() == whole.scores.read_bytes()


@pytest.mark.parametrize(
    "moment", ["second epoch", "between best and last", "writing a checkpoint", "before the report"]
)
def test_broken_off_anywhere_and_started_again(
    moment: str, bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = "best_val" if moment == "between best and last" else "last"
    more = ("optim.epochs=4", f"select={select}", MEASURED, "optim.schedule=constant")
    config = configured(bank, tmp_path / "broken", *more)
    saved: list[str] = []
    save, step, replace = RunCheckpoints._save, train_module.AnomalyModule.training_step, os.replace

    def broken_save(self: RunCheckpoints, trainer: Any, name: str) -> None:
        if moment == "between best and last" and name == LAST and saved.count(LAST) == 2:
            raise Killed
        save(self, trainer, name)
        saved.append(name)

    def broken_step(self: Any, batch: Any, batch_index: int) -> torch.Tensor:
        if moment == "second epoch" and self.current_epoch == 1 and batch_index == 1:
            raise Killed
        return step(self, batch, batch_index)

    def broken_replace(source: Any, target: Any) -> None:
        if moment == "writing a checkpoint" and Path(target).name == LAST and saved.count(LAST) == 2:
            raise Killed
        replace(source, target)

    def broken_report(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(RunCheckpoints, "_save", broken_save)
        broken.setattr(train_module.AnomalyModule, "training_step", broken_step)
        broken.setattr(os, "replace", broken_replace)
        if moment == "before the report":
            broken.setattr(train_module, "make_report", broken_report)
        with pytest.raises(Killed):
            train(config)
    folder = prepare(config).folder
    assert not folder.finished
    train(config)
    whole = undisturbed(bank, tmp_path / "whole", more)
    assert folder.report.read_bytes() == whole.report.read_bytes()
    assert folder.epochs.read_bytes() == whole.epochs.read_bytes()
    assert folder.scores.read_bytes() == whole.scores.read_bytes()


def test_checkpoints_may_be_rarer(bank: Path, tmp_path: Path, finished: RunFolder) -> None:
    folder = train(configured(bank, tmp_path, MEASURED, "runtime.checkpoint_every=2"))
    assert folder.report.read_bytes() == finished.report.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupt_says_how_to_go_on(asked: signal.Signals, code: int, bank: Path, tmp_path: Path) -> None:
    """A scheduler ends a job by SIGTERM: what follows in a script must not take that for a finished run."""
    words = arguments(bank, tmp_path, "optim.epochs=2000")
    folder = prepare(configured(bank, tmp_path, "optim.epochs=2000")).folder
    process = forked.start(command(*words), stdout=DEVNULL, stderr=PIPE)
    until = time.monotonic() + 300
    while not (folder.checkpoints / LAST).is_file() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(asked)
    text = process.communicate(timeout=60)[1] or ""
    assert process.returncode == code, text
    assert "the same command goes on from here" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("verb", ["train", "test"])
@pytest.mark.parametrize(("asked", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_of_the_scoring_is_one(
    asked: signal.Signals,
    code: int,
    verb: str,
    bank: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Lightning makes an exit with code 1 of it, and leaves Ctrl-C ignored."""
    words, plain = arguments(bank, tmp_path), train_module.AnomalyModule.predict_step
    if verb == "test":
        words = ["test", str(train(configured(bank, tmp_path)).path)]

    def interrupted(module: Any, *arguments: Any) -> Any:
        os.kill(os.getpid(), asked)
        return plain(module, *arguments)

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(train_module.AnomalyModule, "predict_step", interrupted)
        assert main(words) == code
    assert "the same command goes on from here" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before
    assert main(words) == 0


# Two at once


def test_a_run_under_way_is_left_alone(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = prepare(configured(bank, tmp_path)).folder
    with sole_writer(folder.path):
        assert "another process is writing it" in refusal(capsys, arguments(bank, tmp_path))
    assert not folder.path.exists()


@pytest.mark.slow
def test_two_processes_start_the_same_run(bank: Path, tmp_path: Path) -> None:
    words = command(*arguments(bank, tmp_path / "both", "optim.epochs=20"))
    both = [forked.start(words, stdout=PIPE, stderr=PIPE) for _ in range(2)]
    texts = [process.communicate(timeout=300)[1] or "" for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 2], [0, 0]), texts
    assert all("Traceback" not in text for text in texts)
    if codes == [0, 2]:
        assert any("another process is writing it" in text for text in texts)
    (folder,) = (path for path in (tmp_path / "both").iterdir() if path.is_dir())
    alone = train(configured(bank, tmp_path / "alone", "optim.epochs=20"))
    assert RunFolder(folder).report.read_bytes() == alone.report.read_bytes()
    assert not list(folder.rglob("*.partial"))
