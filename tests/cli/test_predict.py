"""`mmvad predict` from the command line: from feature files, and from videos where PyAV is installed."""

from __future__ import annotations

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import Bank, open_bank
from mmvad.cli import predict as commands
from mmvad.cli.main import main
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.predict.job import OutputOptions, Predictor
from mmvad.predict.scorer import SILENT
from mmvad.predict.sources import Request, request_files
from mmvad.predict.trained import load_run
from mmvad.predict.truth import bank_truth
from mmvad.runs import RunFolder


@pytest.fixture(scope="module")
def bank(trained: RunFolder) -> Bank:
    return open_bank(trained.path.parents[1] / "bank")


@pytest.fixture
def features(bank: Bank, tmp_path: Path) -> Path:
    """Three test videos as files of the public layout, one of them silent."""
    folder = tmp_path / "features"
    folder.mkdir()
    for video in bank.test.videos[1:4]:
        np.save(folder / f"{video.name}__0.npy", bank.test.visual_rows(video, 0))
        rows = bank.test.audio_rows(video)
        if rows is not None:
            np.save(folder / f"{video.name}__vggish.npy", rows)
    return folder


def predict(trained: RunFolder, out: Path, *words: object) -> int:
    return main(["predict", "--checkpoint", str(trained.path), "--out", str(out), *map(str, words)])


def files_of(features: Path) -> list[Path]:
    return sorted(features.glob("*__0.npy"))


def test_feature_files_give_the_scores_of_the_runs_test(
    trained: RunFolder,
    features: Path,
    tested: dict[str, ScoredVideo],
    tmp_path: Path,
    bank: Bank,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "out"
    with caplog.at_level("WARNING", logger="mmvad"):
        assert predict(trained, out, "--features", *files_of(features), "--audio", features) == 0
    assert "note: times count 24 frames a second, as Planted says; --fps F for others" in caplog.text
    for name in ("test01", "test02", "test03"):
        with open(out / name / "scores.csv", newline="") as lines:
            rows = list(csv.DictReader(lines))
        wanted = tested[name]
        np.testing.assert_allclose([float(r["coarse"]) for r in rows], wanted.coarse, atol=2e-6)
        np.testing.assert_allclose([float(r["start"]) for r in rows], np.arange(len(rows)) * 16 / 24, atol=1e-6)
        assert all(float(r["combined"]) == max(float(r["coarse"]), float(r["fine"])) for r in rows)
        result = json.loads((out / name / "prediction.json").read_text())
        np.testing.assert_allclose(
            [s["classes"]["riot"] for s in result["snippets"]], [float(r["p_riot"]) for r in rows]
        )
        assert result["model"]["identity"] == json.loads(trained.manifest.read_text())["identity"]
        truth = bank_truth(next(v for v in bank.test.videos if v.name == name), bank_facts())
        assert [(e["class"], e["start"]) for e in result["truth"]] == [(e.label, round(e.start, 6)) for e in truth]
        assert (out / name / "curves.png").stat().st_size > 5_000
        with open(out / name / "events.csv", newline="") as lines:
            assert len(list(csv.DictReader(lines))) == len(result["events"])
    (note,) = json.loads((out / "test03" / "prediction.json").read_text())["notes"]
    assert note == f"{SILENT} ({features / 'test03__vggish.npy'} is not there)"
    assert not list(out.rglob("*.partial"))


def test_an_unfinished_run_says_how_far_it_is(
    trained: RunFolder, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what it gave is done again when the run is finished."""
    run, words = tmp_path / "run", ["--features", files_of(features)[0], "--audio", features]
    shutil.copytree(trained.path, run, ignore=shutil.ignore_patterns("report.json"))
    assert predict(RunFolder(run), tmp_path / "out", *words) == 0
    assert "note: epoch 2 of 2; the run is not finished" in capsys.readouterr().out
    assert predict(RunFolder(run), tmp_path / "out", *words) == 0
    assert "done before" in capsys.readouterr().out
    shutil.copy(trained.report, run)
    assert predict(RunFolder(run), tmp_path / "out", *words) == 0
    said = capsys.readouterr().out
    assert "done before" not in said
    assert "not finished" not in said


def bank_facts():  # type: ignore[no-untyped-def]
    from mmvad.benchmarks.registry import PLANTED

    return PLANTED


def test_what_was_predicted_is_left_alone_and_what_changed_is_not(
    trained: RunFolder, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, files = tmp_path / "out", files_of(features)
    assert predict(trained, out, "--features", *files) == 0
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    capsys.readouterr()
    assert predict(trained, out, "--features", *files) == 0
    assert capsys.readouterr().out.count("done before") == 3
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    np.save(files[0], np.load(files[0])[:-1])
    assert predict(trained, out, "--features", *files) == 0
    assert capsys.readouterr().out.count("done before") == 2
    assert predict(trained, out, "--features", *files, "--chunk-overlap", 4) == 0
    assert "done before" not in capsys.readouterr().out


def test_everything_that_decides_a_result_is_held_against_it(
    trained: RunFolder, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of sound that comes or changes, a rate, a truth that is written anew: each is done once more, once."""
    file, audio, truth = files_of(features)[0], tmp_path / "sound", tmp_path / "truth"
    audio.mkdir()
    truth.mkdir()
    sound = np.load(features / "test01__vggish.npy")

    def done(*words: object) -> bool:
        again = [predict(trained, tmp_path / "out", "--features", file, "--audio", audio, *words) for _ in range(2)]
        assert again == [0, 0]
        said = capsys.readouterr().out.splitlines()
        assert said[-1].startswith("test01: done before")
        return said[0] == said[-1]

    done()
    assert done()
    np.save(audio / "test01__vggish.npy", sound)
    assert not done()
    np.save(audio / "test01__vggish.npy", 2 * sound)
    assert not done()
    assert not done("--fps", 25)
    assert not done("--truth", truth)
    for content in ("1,2\n", "1,3,riot\n"):
        (truth / "test01.csv").write_text(content)
        assert not done("--truth", truth)


def test_a_page_says_that_its_run_peeked(trained: RunFolder) -> None:
    run = load_run(trained.path)
    selected_on_test = replace(run, config=run.config.model_copy(update={"select": "best_test"}))
    said = [one.made_by for one in (run, selected_on_test)]
    assert [line.endswith("; the checkpoint was chosen on the TEST set (select=best_test)") for line in said] == [0, 1]


def test_another_way_of_extraction_is_another_result(trained: RunFolder, features: Path, tmp_path: Path) -> None:
    way = {"visual": {"precision": "float32"}, "audio": {"track": 0}, "versions": {"torch": "2"}}
    output, run = OutputOptions(tmp_path / "out", extraction=way), load_run(trained.path)
    request = request_files("test01", {0: files_of(features)[0]}, None, None, 24, None)
    Predictor(run, output).predict(request)
    for part, content, same in (
        ("versions", {"torch": "3"}, True),
        ("audio", {"track": 1}, False),
        ("visual", {"precision": "float16"}, False),
    ):
        assert Predictor(run, replace(output, extraction={**way, part: content})).is_done(request) == same


def test_a_name_that_is_no_text(
    trained: RunFolder, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(os.fsdecode(os.fsencode(features) + b"/caf\xe9__0.npy"))
    shutil.copy(files_of(features)[0], file)
    for said in ("caf\\udce9: ", "caf\\udce9: done before"):
        assert predict(trained, tmp_path / "out", "--features", file) == 0
        assert capsys.readouterr().out.startswith(said)
    assert b"caf\xe9" in os.listdir(os.fsencode(tmp_path / "out"))


def test_a_video_that_comes_to_its_features_is_taken_up(
    trained: RunFolder, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("av", "torchvggish", "resampy", "soundfile"):
        pytest.importorskip(package, reason="the extra `video` is not installed")
    from tests.extraction.videos import moving_pictures, write_video

    words = ["--features", files_of(features)[0], "--html"]
    assert predict(trained, tmp_path / "out", *words) == 0
    assert "no page: the video of test01" in capsys.readouterr().out
    film = write_video(tmp_path / "test01.mp4", moving_pictures(40))
    assert predict(trained, tmp_path / "out", film, *words) == 0
    assert "done before" not in capsys.readouterr().out
    assert (tmp_path / "out" / "test01" / "page.html").is_file()


def test_a_watched_video_with_the_name_of_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = [Request("a", (tmp_path / name,), lambda: pytest.fail("is read")) for name in ("a.mp4", "a.avi")]
    for request in requests:
        request.files[0].write_text("x")
    done: list[str] = []
    monkeypatch.setattr(commands, "_one", lambda predictor, request: done.append(request.files[0].name))
    taken: dict[str, Path] = {}
    for request in requests:
        commands._arrived(None, request, taken)  # type: ignore[arg-type]
    assert done == ["a.mp4"]
    assert f"a.avi: has the same name as {tmp_path / 'a.mp4'}" in capsys.readouterr().err


def test_a_video_that_changes_while_it_is_read_is_done_again(
    trained: RunFolder, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmvad.predict import sources

    file, load = files_of(features)[0], sources.load_rows

    def slowly(header: object) -> np.ndarray:
        rows = load(header)
        np.save(file, np.concatenate([rows, rows]))
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(sources, "load_rows", slowly)
        assert predict(trained, tmp_path / "out", "--features", file) == 0
    before = json.loads((tmp_path / "out" / "test01" / "prediction.json").read_text())
    assert predict(trained, tmp_path / "out", "--features", file) == 0
    after = json.loads((tmp_path / "out" / "test01" / "prediction.json").read_text())
    assert len(after["snippets"]) == 2 * len(before["snippets"])


def test_crops_of_one_video_are_one_prediction(trained: RunFolder, features: Path, tmp_path: Path) -> None:
    """The run is tested on crop 0: the others change nothing, in whatever order they are named."""
    file = files_of(features)[0]
    np.save(features / "test01__1.npy", np.load(file) + 1)
    for out, words in (("one", [file]), ("two", [features / "test01__1.npy", file])):
        assert predict(trained, tmp_path / out, "--features", *words) == 0
    one, two = (json.loads((tmp_path / out / "test01" / "prediction.json").read_text()) for out in ("one", "two"))
    assert one["snippets"] == two["snippets"]


def test_a_bad_file_is_named_and_the_others_go_on(
    trained: RunFolder, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = files_of(features)
    files[0].write_bytes(b"nothing")
    assert predict(trained, tmp_path / "out", "--features", *files) == 1
    err = capsys.readouterr().err
    assert "test01__0.npy: no .npy file" in err
    assert "1 of 3 failed" in err
    assert sorted(p.parent.name for p in (tmp_path / "out").glob("*/prediction.json")) == ["test02", "test03"]


@pytest.mark.parametrize("error", [TypeError("unsupported operand"), KeyError("x"), AssertionError(), MemoryError()])
def test_an_error_of_any_kind_is_one_videos(
    trained: RunFolder,
    features: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    """As a decoder's or a network's may be; the watch has the same net."""
    plain = Predictor.predict

    def predict_all_but_one(predictor: Predictor, request: Request) -> object:
        if request.name == "test02":
            raise error
        return plain(predictor, request)

    monkeypatch.setattr(Predictor, "predict", predict_all_but_one)
    out = tmp_path / "out"
    assert predict(trained, out, "--features", *files_of(features), "--audio", features) == 1
    said = capsys.readouterr().err
    assert f"failed: {features / 'test02__0.npy'}: {type(error).__name__}: " in said
    assert "1 of 3 failed: test02__0.npy" in said
    assert {path.parent.name for path in out.rglob("prediction.json")} == {"test01", "test03"}
    watch = Predictor(load_run(trained.path, ()), OutputOptions(out))
    commands._arrived(watch, Request("test02", (tmp_path / "test02.mp4",), lambda: None), {})  # type: ignore[arg-type, return-value]
    assert f"test02.mp4: {type(error).__name__}: " in capsys.readouterr().err


def test_truth_from_a_file(trained: RunFolder, features: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("start,end,class\n1.5, 3,riot\n4,5\n")
    file = files_of(features)[0]
    assert predict(trained, tmp_path / "out", "--features", file, "--truth", truth) == 0
    found = json.loads((tmp_path / "out" / "test01" / "prediction.json").read_text())["truth"]
    assert found == [{"start": 1.5, "end": 3.0, "class": "riot"}, {"start": 4.0, "end": 5.0, "class": None}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,fihgting\n", "did you mean: fighting"),
        ("5,2\n", "0 <= start < end"),
        ("a,b\n", "line 1"),
        ("1,nan\n", "0 <= start < end"),
    ],
)
def test_a_wrong_truth_is_said(
    content: str, message: str, trained: RunFolder, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text(content)
    assert predict(trained, tmp_path / "out", "--features", files_of(features)[0], "--truth", truth) == 1
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*/prediction.json"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no video"),
        (["--watch", "nowhere"], "is no folder"),
        (["--features", "a.npy", "b.npy", "--truth", "TRUTH"], "names one file for 2 videos"),
        (["--features", "a.npy", "--truth", "nowhere"], "no such file or folder"),
        (["--features", "a.npy", "b.npy", "--audio", "TRUTH"], "names one file for 2 videos"),
        (["--features", "a.npy", "b/a__0.npy"], "is crop 0 of a, as a.npy is"),
        (["--features", "a.npy", "--watch", "."], "not feature files"),
        (["--features", "a.npy", "--fps", "-25"], "-25 frames a second"),
        (["a.mp4", "--fps", "25"], "leave out --fps"),
        (["a.mp4", "--audio", "a__vggish.npy"], "leave out --audio"),
        (["--features", "a.npy", "--device", "tpu"], "--device: 'tpu' cannot be used"),
        (["--features", "a.npy", "--chunk-overlap", "999"], "--chunk-overlap: 999 snippets"),
        (["--features", "a.npy", "--fps", "0"], "0 frames a second"),
        (["--features", "a.npy", "--fps", "nan"], "nan frames a second"),
        (["--features", "a.npy", "--audio", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_wrong_arguments(
    words: list[str],
    message: str,
    trained: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b").mkdir()
    for name in ("TRUTH", "a.npy", "b.npy", "b/a__0.npy"):
        Path(name).touch()
    assert predict(trained, tmp_path / "out", *words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["gone"], ["list.txt"], ["--features", "a.npy", "gone"]])
def test_a_missing_file_is_said_before_the_run_is_loaded(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run is not there either, and is not what is missed."""
    monkeypatch.chdir(tmp_path)
    Path("a.npy").touch()
    Path("list.txt").write_text("a.npy\ngone\n")
    assert main(["predict", *words, "--checkpoint", "no_run"]) == 2
    assert f"gone{' (of list.txt)' * ('list.txt' in words)}: no such file" in capsys.readouterr().err
