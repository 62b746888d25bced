"""Whole runs on a small bank: what a run leaves, that it can be killed at any moment, and what it refuses."""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmvad import train as train_module
from mmvad.benchmarks.planted import PLANTED
from mmvad.checkpoints import LAST, RunCheckpoints
from mmvad.cli import main
from mmvad.config.load import load_config
from mmvad.config.schema import Config, Optim
from mmvad.data.sampling import EpochSampler
from mmvad.disk import sole_writer
from mmvad.features.bank import open_bank
from mmvad.metrics.evaluate import ScoredVideo, evaluate
from mmvad.module import rate_factor
from mmvad.runs import RunFolder
from mmvad.train import prepare, train
from tests.small import write_bank

SMALL = (
    "model.text.architecture=tiny",
    "model.text.weights=random",
    "model.prompt_half=2",
    "model.window=8",
    "model.dropout=0.3",
    "data.segment_length=16",
    "data.batch_size=8",
    "optim.learning_rate=1e-3",
    "optim.epochs=3",
    "runtime.device=cpu",
    "runtime.threads=1",
    "runtime.resident=ram",
    "runtime.figures=off",
)
MEASURED = "data.validation_share=0.3"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bank(tmp_path_factory.mktemp("banks") / "planted")


def overrides(bank: Path, results: Path, *more: str) -> list[str]:
    return [*SMALL, f"data.bank={bank}", f"runtime.results={results}", *more]


def configured(bank: Path, results: Path, *more: str) -> Config:
    return load_config([], overrides(bank, results, *more))


def arguments(bank: Path, results: Path, *more: str) -> list[str]:
    return ["train", *(f"--{text}" for text in overrides(bank, results, *more))]


@pytest.fixture(scope="module")
def finished(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with validation and figures. Tests only read it."""
    return train(configured(bank, tmp_path_factory.mktemp("finished"), MEASURED, "runtime.figures=on"))


def report(folder: RunFolder) -> dict[str, Any]:
    return json.loads(folder.report.read_text())


def epochs(folder: RunFolder) -> list[dict[str, float]]:
    with open(folder.epochs, newline="") as lines:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "mmvad.cli", *map(str, words)]


def refusal(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    """The error of a command that must end with code 2."""
    capsys.readouterr()
    code = main(words)
    text = capsys.readouterr().err
    assert code == 2, text
    assert text.startswith("mmvad: error: ")
    assert "Traceback" not in text
    return text


# What a run leaves


def test_a_run_folder_is_complete(finished: RunFolder) -> None:
    names = {path.name for path in finished.path.iterdir()}
    wanted = {"config.yaml", "manifest.json", "epochs.csv", "checkpoints", "scores.npz", "figures", "run.log"}
    assert names == wanted | {"report.json"}
    assert [p.name for p in finished.checkpoints.iterdir()] == [LAST]
    assert len(list(finished.figures.glob("*.png"))) == 7
    newest = max(finished.path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert newest.name in {"report.json", "run.log"}
    others = [p for p in finished.path.rglob("*") if p.is_file() and p.name not in {"report.json", "run.log"}]
    assert all(p.stat().st_mtime_ns <= finished.report.stat().st_mtime_ns for p in others)


def test_the_report_is_the_last_file(bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    whole = train_module.write_json
    monkeypatch.setattr(
        train_module, "write_json", lambda path, content: (written.append(path.name), whole(path, content))
    )
    folder = train(configured(bank, tmp_path, "optim.epochs=1"))
    assert written[-1] == "report.json"
    assert written.count("report.json") == 1
    assert folder.finished


def test_the_report_says_what_was_run(finished: RunFolder, bank: Path) -> None:
    content = report(finished)
    assert content["identity"][:12] == finished.path.name.rpartition("-")[2]
    assert content["bank_hash"] == open_bank(bank).content_hash
    assert (content["select"], content["selected_on_test"], content["selected_epoch"]) == ("last", False, 3)
    assert content["headline"] == {"score": "combined", "metric": "ap"}
    assert content["videos"] == 8
    assert "runtime" not in content["config"]
    assert str(bank.parent) not in finished.report.read_text()
    manifest = json.loads(finished.manifest.read_text())
    assert manifest["identity"] == content["identity"]
    assert {"started", "finished", "train_seconds", "test_seconds", "device", "versions", "host"} <= set(manifest)
    assert load_config([finished.config]) == configured(bank, finished.path.parent, MEASURED, "runtime.figures=on")


def test_every_epoch_is_written_down(finished: RunFolder) -> None:
    rows = epochs(finished)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    losses = {f"loss/{name}" for name in ("coarse", "fine", "contrast", "embed", "total")}
    assert set(rows[0]) == {"epoch", "learning_rate", "val/ap"} | losses
    assert all(0 <= row["val/ap"] <= 1 for row in rows)
    for row in rows:
        total = row["loss/coarse"] + 0.15 * row["loss/contrast"] + row["loss/fine"] + 2e-4 * row["loss/embed"]
        assert row["loss/total"] == pytest.approx(total, rel=1e-5)


def test_the_learning_rate_of_an_epoch_is_the_one_that_it_ran_with(finished: RunFolder) -> None:
    """x0.1 at 30 and 60 % of three epochs: the second and the third."""
    assert [row["learning_rate"] for row in epochs(finished)] == pytest.approx([1e-3, 1e-4, 1e-5])


def test_schedules() -> None:
    milestones = Optim(epochs=10)
    assert [rate_factor(milestones, e) for e in range(10)] == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 4)
    assert [rate_factor(Optim(epochs=60), e) for e in (17, 18, 35, 36)] == pytest.approx([1, 0.1, 0.1, 0.01])
    assert {rate_factor(Optim(schedule="constant"), e) for e in range(60)} == {1.0}
    cosine = Optim(epochs=4, schedule="cosine")
    assert [rate_factor(cosine, e) for e in range(5)] == pytest.approx([1, 0.853553, 0.5, 0.146447, 0], abs=1e-6)


def test_every_epoch_has_an_order_of_its_own(bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = EpochSampler.__iter__

    def recorded(self: EpochSampler) -> Iterator[np.ndarray]:
        seen.append(self.epoch)
        return plain(self)

    monkeypatch.setattr(EpochSampler, "__iter__", recorded)
    train(configured(bank, tmp_path))
    assert seen == [0, 1, 2]


def test_scores_give_the_reports_metrics_again(finished: RunFolder, bank: Path) -> None:
    with np.load(finished.scores, allow_pickle=False) as scores:
        videos = [
            ScoredVideo(
                v.name, v.labels, v.events, v.intervals, scores[f"{v.name}/coarse"], scores[f"{v.name}/classes"]
            )
            for v in open_bank(bank).test.videos
        ]
        assert len(scores.files) == 16
    for video, facts in zip(videos, open_bank(bank).test.videos):
        assert video.snippets == facts.snippets
        np.testing.assert_allclose(video.class_probabilities.sum(axis=1), 1, rtol=1e-5)
    content = report(finished)
    assert {key: content[key] for key in ("scores", "map", "frames", "snippets")} == {
        key: value for key, value in evaluate(PLANTED, videos).items() if key in {"scores", "map", "frames", "snippets"}
    }


def test_branches_that_were_not_trained_are_left_out(bank: Path, tmp_path: Path) -> None:
    for more, missing in ((["loss.coarse=off"], "coarse"), (["modalities=va"], "fine"), (["loss.fine=off"], "fine")):
        found = report(train(configured(bank, tmp_path, "optim.epochs=1", *more)))["scores"]
        kept = ({"coarse", "fine"} - {missing}).pop()
        assert found[missing]["ap"] is None
        assert found["combined"]["ap"] == found[kept]["ap"] is not None


def test_training_learns_what_was_planted(bank: Path, tmp_path: Path) -> None:
    folder = train(configured(bank, tmp_path, "optim.epochs=30", "optim.schedule=constant", "model.dropout=0"))
    rows = epochs(folder)
    assert rows[-1]["loss/total"] < 0.6 * rows[0]["loss/total"]


# The same again


def test_equal_runs_have_equal_reports(finished: RunFolder, bank: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(bank, tmp_path / "another_place")
    again = train(configured(moved, tmp_path / "results", MEASURED, "runtime.resident=disk"))
    assert again.path.name == finished.path.name
    assert again.report.read_bytes() == finished.report.read_bytes()
    assert again.epochs.read_bytes() == finished.epochs.read_bytes()
    assert again.scores.read_bytes() == finished.scores.read_bytes()


def test_another_seed_gives_other_numbers(finished: RunFolder, bank: Path, tmp_path: Path) -> None:
    other = train(configured(bank, tmp_path, MEASURED, "seed=1"))
    assert other.path.name != finished.path.name
    assert other.epochs.read_bytes() != finished.epochs.read_bytes()


def test_asking_again_does_nothing(
    finished: RunFolder, bank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a finished run must not be trained again")

    monkeypatch.setattr(train_module, "_train", never)
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}
    assert main(arguments(bank, finished.path.parent, MEASURED, "runtime.figures=on")) == 0
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")} == before


# Killed and started again


LONG = ("optim.epochs=40", "optim.schedule=cosine", MEASURED)


class Killed(BaseException):
    pass


def undisturbed(bank: Path, results: Path, more: tuple[str, ...]) -> RunFolder:
    return train(configured(bank, results, *more))


@pytest.mark.slow
def test_killed_while_training_and_started_again(bank: Path, tmp_path: Path) -> None:
    folder = prepare(configured(bank, tmp_path / "killed", *LONG)).folder
    process = subprocess.Popen(command(*arguments(bank, tmp_path / "killed", *LONG)), stdout=subprocess.DEVNULL)
    last = folder.checkpoints / LAST
    until = time.monotonic() + 300
    while not last.is_file() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert last.is_file()
    assert not folder.finished
    assert main(arguments(bank, tmp_path / "killed", *LONG)) == 0
    assert "going on from" in folder.log.read_text()
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
def test_an_interrupt_says_how_to_go_on(bank: Path, tmp_path: Path) -> None:
    words = arguments(bank, tmp_path, "optim.epochs=2000")
    folder = prepare(configured(bank, tmp_path, "optim.epochs=2000")).folder
    process = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 300
    while not (folder.checkpoints / LAST).is_file() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert "the same command goes on from here" in text
    assert "Traceback" not in text


# Which checkpoint is reported


def test_best_val_reports_the_best_validated_epoch(bank: Path, tmp_path: Path) -> None:
    folder = train(configured(bank, tmp_path, "select=best_val", MEASURED, "optim.epochs=5", "optim.schedule=constant"))
    figures = [row["val/ap"] for row in epochs(folder)]
    assert report(folder)["selected_epoch"] == figures.index(max(figures)) + 1
    assert not report(folder)["selected_on_test"]
    assert {p.name for p in folder.checkpoints.iterdir()} == {"best.ckpt", "last.ckpt"}
    assert main(["test", str(folder.path)]) == 0


def test_best_test_reports_the_epoch_that_is_best_on_the_test_set(bank: Path, tmp_path: Path) -> None:
    folder = train(configured(bank, tmp_path, "select=best_test", "optim.epochs=5", "optim.schedule=constant"))
    figures = [row["val/test_ap"] for row in epochs(folder)]
    content = report(folder)
    assert content["selected_on_test"]
    assert content["selected_epoch"] == figures.index(max(figures)) + 1
    assert content["scores"]["combined"]["ap"] == pytest.approx(max(figures), abs=1e-6)


# Tested again


def test_testing_again_gives_the_report(finished: RunFolder, bank: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}
    assert main(["test", str(finished.path)]) == 0
    moved = shutil.copytree(bank, tmp_path / "moved")
    assert main(["test", str(finished.path), f"--data.bank={moved}"]) == 0
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")} == before


def test_a_report_that_is_not_the_checkpoints_is_noticed(finished: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(finished.path, tmp_path / "copy")))
    content = report(copy)
    content["scores"]["combined"]["ap"] += 0.01
    copy.report.write_text(json.dumps(content))
    assert main(["test", str(copy.path)]) == 1


def test_testing_with_other_settings_is_refused(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "identity" in refusal(capsys, ["test", str(finished.path), "--seed=1"])
    other = write_bank(tmp_path / "other", train=12)
    assert "not the run's" in refusal(capsys, ["test", str(finished.path), f"--data.bank={other}"])
    assert "is no run folder" in refusal(capsys, ["test", str(tmp_path)])


def test_a_checkpoint_of_another_run_is_refused(
    finished: RunFolder, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = prepare(configured(bank, tmp_path, "seed=5")).folder
    target.checkpoints.mkdir(parents=True)
    shutil.copy(finished.checkpoints / LAST, target.checkpoints / LAST)
    text = refusal(capsys, arguments(bank, tmp_path, "seed=5"))
    assert str(target.checkpoints / LAST) in text
    assert "checkpoint of another configuration" in text
    assert not target.finished
    copy = Path(shutil.copytree(finished.path, tmp_path / "copy"))
    other = train(configured(bank, tmp_path, "seed=6", "optim.epochs=1"))
    words = ["test", str(copy), "--checkpoint", str(other.checkpoints / LAST)]
    assert "checkpoint of another configuration" in refusal(capsys, words)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_broken_checkpoint_is_refused(
    content: bytes | None, finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = RunFolder(Path(shutil.copytree(finished.path, tmp_path / "copy")))
    last = copy.checkpoints / LAST
    last.write_bytes(last.read_bytes()[:5000] if content is None else content)
    assert "is no checkpoint of mmvad" in refusal(capsys, ["test", str(copy.path)])
    last.unlink()
    assert "no such checkpoint" in refusal(capsys, ["test", str(copy.path)])


def test_checkpoints_hold_plain_values_and_no_text_tower(finished: RunFolder) -> None:
    content = torch.load(finished.checkpoints / LAST, weights_only=True)
    assert not any(".tower." in name for name in content["state_dict"])
    assert content["mmvad"] == {"identity": report(finished)["identity"], "epoch": 2}


# What is refused


def test_a_loss_that_is_not_finite(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, arguments(bank, tmp_path, "optim.learning_rate=1e30", "optim.schedule=constant"))
    assert "optim.learning_rate" in text
    assert not list(tmp_path.rglob("report.json"))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 100, 3000, 100_000])
def test_a_full_disk(size: int, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the first file, at the manifest, at the checkpoint: each time a clear end, and the run can go on."""
    with largest_file(size):
        text = refusal(capsys, arguments(bank, tmp_path, "optim.epochs=1"))
    assert "no space left" in text
    assert str(tmp_path) in text
    assert not list(tmp_path.rglob("report.json"))
    assert main(arguments(bank, tmp_path, "optim.epochs=1")) == 0


@pytest.mark.slow
def test_a_full_disk_in_a_process_of_its_own(bank: Path, tmp_path: Path) -> None:
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
    code = limit + "from mmvad.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, *arguments(bank, tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    assert "no space left" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not list(tmp_path.rglob("report.json"))


@contextmanager
def as_a_user_without_rights(folder: Path) -> Iterator[None]:
    """The folder is closed to writing; root, whom nothing stops, becomes somebody else meanwhile."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        for part in [folder, *folder.parents]:
            if part.name.startswith(("pytest-", "popen-")):
                part.chmod(0o755)
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_no_permission_to_write(finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = write_bank(tmp_path / "bank")
    results = tmp_path / "results"
    results.mkdir()
    tmp_path.chmod(0o755)
    with as_a_user_without_rights(results):
        text = refusal(capsys, arguments(bank, results))
    assert "no permission to write" in text
    assert not list(results.iterdir())


def test_results_that_are_a_file(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").write_text("")
    assert str(tmp_path / "results") in refusal(capsys, arguments(bank, tmp_path / "results"))


def test_a_bank_of_another_benchmark(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, arguments(bank, tmp_path, "benchmark=ucf_crime"))
    assert "is a bank of planted" in text
    assert "set benchmark=planted" in text


def test_a_missing_bank(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, arguments(bank.with_name("plantd"), tmp_path))
    assert "there is no bank" in text
    assert f"did you mean: {bank}?" in text


def test_sound_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silent = write_bank(tmp_path / "silent", silent=["test02"])
    text = refusal(capsys, arguments(silent, tmp_path / "results"))
    assert "data.audio: test02" in text
    assert main(arguments(silent, tmp_path / "results", "optim.epochs=1", "data.audio=optional")) == 0
    mute = write_bank(tmp_path / "mute", silent=["all"])
    assert main(arguments(mute, tmp_path / "results", "optim.epochs=1", "data.audio=optional")) == 0


def test_a_crop_that_the_bank_does_not_hold(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "data.test_crop: 5" in refusal(capsys, arguments(bank, tmp_path, "data.test_crop=5"))


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("model.heads=3", "model.heads"),
        ("model.text.weights=nowhere.pt", "nowhere.pt"),
        ("runtime.precision=16-mixed", "runtime.precision"),
    ],
)
def test_settings_that_do_not_fit_the_bank_or_the_machine(
    override: str, named: str, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert named in refusal(capsys, arguments(bank, tmp_path, override))


def test_a_validation_share_of_too_few_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every class has one video, so none can be held out: said before anything is trained."""
    lonely = write_bank(tmp_path / "bank", train=2)
    words = arguments(lonely, tmp_path / "results", "select=best_val", MEASURED)
    assert "data.validation_share" in refusal(capsys, words)
    assert not list(tmp_path.rglob("last.ckpt"))


# Two at once


def test_a_run_under_way_is_left_alone(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = prepare(configured(bank, tmp_path)).folder
    with sole_writer(folder.path):
        assert "another process is writing it" in refusal(capsys, arguments(bank, tmp_path))
    assert not folder.path.exists()


@pytest.mark.slow
def test_two_processes_start_the_same_run(bank: Path, tmp_path: Path) -> None:
    words = command(*arguments(bank, tmp_path / "both", "optim.epochs=20"))
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    texts = [process.communicate(timeout=300)[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 2], [0, 0]), texts
    assert all("Traceback" not in text for text in texts)
    if codes == [0, 2]:
        assert any("another process is writing it" in text for text in texts)
    (folder,) = (path for path in (tmp_path / "both").iterdir() if path.is_dir())
    alone = train(configured(bank, tmp_path / "alone", "optim.epochs=20"))
    assert RunFolder(folder).report.read_bytes() == alone.report.read_bytes()
    assert not list(folder.rglob("*.partial"))


# Weights & Biases


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
