"""Whole runs on a small bank: what a run leaves, that the same again is the same, and which checkpoint is reported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mmvad.bank.bank import open_bank
from mmvad.benchmarks.registry import PLANTED
from mmvad.cli.main import main
from mmvad.config.load import load_config
from mmvad.config.optim import Optim
from mmvad.data.sampling import EpochSampler
from mmvad.metrics.evaluate import evaluate
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.runs import RunFolder
from mmvad.training import module
from mmvad.training import train as train_module
from mmvad.training.checkpoints import LAST
from mmvad.training.schedule import rate_factor
from mmvad.training.train import train
from tests.runs import MEASURED, arguments, configured, epochs, report

# What a run leaves


def test_a_run_folder_is_complete(finished: RunFolder) -> None:
    names = {path.name for path in finished.path.iterdir()}
    wanted = {
        "config.yaml",
        "manifest.json",
        "epochs.csv",
        "checkpoints",
        "scores.npz",
        "figures",
        "run.log",
        "card.md",
    }
    assert names == wanted | {"report.json"}
    assert [p.name for p in finished.checkpoints.iterdir()] == [LAST]
    assert len(list(finished.figures.glob("*.png"))) == 14
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
    for video, spec in zip(videos, open_bank(bank).test.videos):
        assert video.snippets == spec.snippets
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


def test_checkpoints_hold_plain_values_and_no_text_tower(finished: RunFolder) -> None:
    content = torch.load(finished.checkpoints / LAST, weights_only=True)
    assert not any(".tower." in name for name in content["state_dict"])
    assert content["mmvad"] == {"identity": report(finished)["identity"], "epoch": 2}


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


# Which checkpoint is reported


def test_best_val_reports_the_best_validated_epoch(bank: Path, tmp_path: Path) -> None:
    folder = train(configured(bank, tmp_path, "select=best_val", MEASURED, "optim.epochs=5", "optim.schedule=constant"))
    figures = [row["val/ap"] for row in epochs(folder)]
    assert report(folder)["selected_epoch"] == figures.index(max(figures)) + 1
    assert not report(folder)["selected_on_test"]
    assert {p.name for p in folder.checkpoints.iterdir()} == {"best.ckpt", "last.ckpt"}
    assert main(["test", str(folder.path)]) == 0


def test_best_test_reports_the_epoch_that_is_best_on_the_test_set(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[object] = []
    monkeypatch.setattr("mmvad.training.train.draw_figures", lambda *given: drawn.append(given[-1]))
    changes = ["select=best_test", "optim.epochs=5", "optim.schedule=constant", "runtime.figures=on"]
    folder = train(configured(bank, tmp_path, *changes))
    figures = [row["val/test_ap"] for row in epochs(folder)]
    content = report(folder)
    assert content["selected_on_test"]
    assert content["selected_epoch"] == figures.index(max(figures)) + 1
    assert content["scores"]["combined"]["ap"] == pytest.approx(max(figures), abs=1e-6)
    assert drawn == ["the checkpoint was chosen on the TEST set (select=best_test)"]


# Compiled steps


def test_a_compiled_run_is_one_graph(bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a backend that fuses nothing: one graph for all full batches, and the manifest says that it is compiled."""
    graphs: list[object] = []

    def backend(graph: torch.fx.GraphModule, inputs: object) -> object:
        graphs.append(graph)
        return graph.forward

    compile_with = torch.compile
    compiled = lambda function, dynamic, **options: compile_with(function, backend=backend, dynamic=dynamic)  # noqa: E731
    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(module, "compiles", lambda *asked: True)
    folder = train(configured(bank, tmp_path, "data.segment_length=48", "data.batch_size=4", "optim.epochs=2"))
    assert len(graphs) == 1
    assert json.loads(folder.manifest.read_text())["compiled"] is True
    assert len(epochs(folder)) == 2


@pytest.mark.parametrize("requested", ["on", "auto"])
def test_a_cpu_says_that_it_does_not_compile(requested: str, bank: Path, tmp_path: Path) -> None:
    folder = train(configured(bank, tmp_path, "optim.epochs=1", f"runtime.compile={requested}"))
    assert ("steps stay as they are" in folder.log.read_text()) is (requested == "on")
    assert json.loads(folder.manifest.read_text())["compiled"] is False
