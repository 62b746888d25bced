"""A finished run is tested again; what is not its own is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from mmvad.cli.main import main
from mmvad.runs import RunFolder
from mmvad.training.checkpoints import LAST
from mmvad.training.module import AnomalyModule
from mmvad.training.prepare import prepare
from mmvad.training.train import train
from tests.runs import MEASURED, arguments, configured, refusal, report
from tests.small import write_bank


def test_testing_again_gives_the_report(finished: RunFolder, bank: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}
    assert main(["test", str(finished.path)]) == 0
    moved = shutil.copytree(bank, tmp_path / "moved")
    assert main(["test", str(finished.path), f"--data.bank={moved}"]) == 0
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")} == before


@pytest.mark.parametrize("figure", ["scores.combined.ap", "map.published.mean", "map.clean.0.3", "abnormal_frames"])
def test_a_report_that_is_not_the_checkpoints_is_noticed(figure: str, finished: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(finished.path, tmp_path / "copy")))
    content = report(copy)
    position, (first, *rest) = content, figure.split(".", 2)
    for key in [first, *rest][:-1]:
        position = position[key]
    position[[first, *rest][-1]] += 1
    copy.report.write_text(json.dumps(content))
    assert main(["test", str(copy.path)]) == 1


@pytest.mark.parametrize(("by", "code"), [(4.4e-6, 0), (2e-5, 1)])
def test_two_scores_that_trade_places_by_rounding_are_no_other_run(
    by: float, code: int, finished: RunFolder, tmp_path: Path
) -> None:
    copy = RunFolder(Path(shutil.copytree(finished.path, tmp_path / "copy")))
    content = report(copy)
    content["scores"]["combined"]["ap"] += by
    copy.report.write_text(json.dumps(content))
    assert main(["test", str(copy.path)]) == code


def test_a_report_from_before_a_metric_is_not_called_different(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = RunFolder(Path(shutil.copytree(finished.path, tmp_path / "copy")))
    content = report(copy)
    assert content.pop("use")["combined"]["held_out_threshold"] > 0
    for figures in content["scores"].values():
        del figures["ano_ap"]
    copy.report.write_text(json.dumps(content))
    assert main(["test", str(copy.path)]) == 0
    assert "event F1 held out" in capsys.readouterr().out


def test_testing_with_other_settings_is_refused(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "identity" in refusal(capsys, ["test", str(finished.path), "--seed=1"])
    other = write_bank(tmp_path / "other", train=12)
    assert "not the run's" in refusal(capsys, ["test", str(finished.path), f"--data.bank={other}"])


def test_what_is_no_run_is_told_with_the_run_that_may_be_meant(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(path: Path) -> str:
        return refusal(capsys, ["test", str(path)])

    own = Path(shutil.copytree(finished.path, tmp_path / "runs" / finished.name))
    assert "is no run folder (config.yaml is missing)" in told(tmp_path)
    assert f"did you mean: {own}?" in told(own.parent)
    wrong = told(own.with_name(own.name[:-1]))
    assert "there is nothing" in wrong
    assert f"did you mean: {own}?" in wrong
    shutil.copytree(own, own.with_name("other"))
    assert "one of the 2 in it" in told(own.parent)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    assert "a model that was exported" in told(tmp_path / "model")
    (own / "report.json").unlink()
    assert "is not finished" in told(own)


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
    text = refusal(capsys, ["test", str(copy.path)])
    assert "is no checkpoint of mmvad" in text
    assert "remove it and report.json, then train again" in text
    last.unlink()
    text = refusal(capsys, ["test", str(copy.path)])
    assert "no such checkpoint" in text
    assert "remove report.json, then train again" in text


def test_no_other_file_is_called_broken(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (finished.scores, finished.path, tmp_path / "none.ckpt"):
        text = refusal(capsys, ["test", str(finished.path), "--checkpoint", str(file)])
        assert str(file) in text
        assert "remove" not in text
        assert "name a checkpoint of the run: last.ckpt or best.ckpt in its checkpoints/" in text


@pytest.mark.parametrize("content", ["", "[]", "null", '{"schema": 2}'])
@pytest.mark.parametrize("name", ["report.json", "manifest.json"])
def test_a_file_that_is_not_as_a_run_leaves_it(
    name: str, content: str, finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(finished.path, tmp_path / finished.path.name))
    (copy / name).write_text(content)
    rows = tmp_path / "a.npy"
    rows.touch()
    again = ["train", f"--config={copy / 'config.yaml'}", f"--runtime.results={tmp_path}"]
    predict = ["predict", "--features", str(rows), "--checkpoint", str(copy)]
    mend = "remove it" if name == "report.json" else "remove it and report.json"
    for words in (["test", str(copy)], *([again, ["curves", str(copy)]] if name == "report.json" else [predict])):
        text = refusal(capsys, words)
        assert f"{copy / name}: " in text
        assert f"fix: {mend}, then train again" in text


@pytest.mark.parametrize("key", ["bank_hash", "config", "scores", "map", "select"])
def test_what_a_report_lacks_is_named(
    key: str, finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = RunFolder(Path(shutil.copytree(finished.path, tmp_path / finished.path.name)))
    copy.report.write_text(json.dumps({k: v for k, v in report(finished).items() if k != key}))
    assert f"{copy.report}: lacks {key}\n" in refusal(capsys, ["curves", str(copy.path)])


@pytest.mark.parametrize(("select", "name"), [("last", "last.ckpt"), ("best_val", "best.ckpt")])
def test_what_is_said_of_a_broken_checkpoint_mends_it(
    select: str, name: str, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(bank, tmp_path, MEASURED, f"select={select}", "optim.epochs=2")
    run = train(config)
    file = run.checkpoints / name
    file.write_bytes(file.read_bytes()[:5000])
    (mend,) = [line for line in refusal(capsys, ["test", str(run.path)]).splitlines() if "remove it" in line]
    file.unlink()
    for left in (run.report, run.checkpoints / LAST):
        if left.name in mend:
            left.unlink()
    train(config)
    assert main(["test", str(run.path)]) == 0


def test_an_unfinished_run_is_said_to_be_one(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(finished.path, tmp_path / "copy", ignore=shutil.ignore_patterns("report.json")))
    text = refusal(capsys, ["test", str(copy)])
    assert "the run is not finished" in text
    assert "the same `mmvad train` command goes on with it" in text


def test_a_run_from_before_a_key_is_tested_as_it_was_trained(bank: Path, tmp_path: Path) -> None:
    """Its configuration lacks the key, whose default is another value today."""
    method = ("model.name=macil_sd", "modalities=va", "data.test_span=whole", "optim.epochs=1")
    run = train(configured(bank, tmp_path, *method, "peers.macil_sd.initialisation=xavier"))
    lines = run.config.read_text().splitlines(keepends=True)
    younger = ("initialisation:", "published_weights:")
    run.config.write_text("".join(line for line in lines if not line.strip().startswith(younger)))
    assert len(run.config.read_text().splitlines()) == len(lines) - 2
    assert main(["test", str(run.path)]) == 0
    checkpoint = torch.load(run.checkpoints / LAST, weights_only=True)
    del checkpoint["hyper_parameters"]["config"]["peers"]["macil_sd"]["initialisation"]
    torch.save(checkpoint, tmp_path / "older.ckpt")
    module = AnomalyModule.load_from_checkpoint(tmp_path / "older.ckpt")
    assert module.config.peers.macil_sd.initialisation == "xavier"
