"""Runs that differ in their look-ahead alone: one training, and the same report as by training each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmvad.runs import RunFolder
from mmvad.training import train as training
from mmvad.training.train import train
from tests.runs import MEASURED, configured, refusal, report

ONE_EPOCH = ("optim.epochs=1", MEASURED, "modalities=v")


def trained(bank: Path, results: Path, *more: str) -> RunFolder:
    return train(configured(bank, results, *ONE_EPOCH, *more))


@pytest.fixture(scope="module")
def first(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Tested without a limit."""
    return trained(bank, tmp_path_factory.mktemp("alike"))


def no_training(*_: object) -> None:
    raise AssertionError("it was trained")


def test_the_weights_are_taken_and_the_report_is_that_of_a_training(
    first: RunFolder, bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = trained(bank, tmp_path, "data.look_ahead=1")
    with monkeypatch.context() as patched:
        patched.setattr(training, "fit", no_training)
        taken = trained(bank, first.path.parent, "data.look_ahead=1")
    assert taken.report.read_bytes() == alone.report.read_bytes()
    assert (taken.path.name, taken.epochs.read_bytes()) == (alone.path.name, alone.epochs.read_bytes())
    manifest = json.loads(taken.manifest.read_text())
    assert manifest["trained_as"] == first.path.name
    assert manifest["train_seconds"] == json.loads(first.manifest.read_text())["train_seconds"]
    with np.load(taken.scores) as found, np.load(first.scores) as unlimited:
        name = max(found.files, key=lambda each: len(found[each]))
        assert not np.array_equal(found[name], unlimited[name])
    assert report(taken)["identity"] != report(first)["identity"]


def test_a_checkpoint_that_cannot_be_read_is_trained_anew(
    first: RunFolder, bank: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = trained(bank, tmp_path)
    (other.checkpoints / "last.ckpt").write_bytes(b"damaged")
    again = trained(bank, tmp_path, "data.look_ahead=2")
    assert "trained_as" not in json.loads(again.manifest.read_text())
    assert again.finished


def test_a_choice_on_the_test_set_is_its_own_training(first: RunFolder, bank: Path) -> None:
    chosen = ("select=best_test", "data.look_ahead=1")
    folder = trained(bank, first.path.parent, *chosen)
    assert "trained_as" not in json.loads(folder.manifest.read_text())


def test_a_run_is_tested_by_look_ahead(first: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    from mmvad.cli.main import main

    before = {file: file.read_bytes() for file in first.path.rglob("*") if file.is_file()}
    assert main(["test", str(first.path), "--look-ahead", "1,all"]) == 0
    assert "look-ahead (snippets)" in capsys.readouterr().out
    found = json.loads(first.look_ahead.read_text())["look_ahead"]
    wanted = report(first)
    for part in ("scores", "map", "use"):
        assert found["all"][part] == wanted[part]
    assert found["1"]["scores"] != wanted["scores"]
    assert {file: file.read_bytes() for file in before} == before


def test_look_aheads_that_are_none(first: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--look-ahead: '1s'" in refusal(capsys, ["test", str(first.path), "--look-ahead", "1s"])
    assert "says nothing with --bank" in refusal(
        capsys, ["test", str(first.path), "--look-ahead", "1", "--bank", str(first.path)]
    )
    told = refusal(capsys, ["train", "--data.look_ahead=1", "--quirks.smoothing=next_7"])
    assert "quirks.smoothing: 'next_7' looks at snippets after" in told
