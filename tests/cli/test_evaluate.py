"""`mmvad evaluate` from the command line: own scores give the own report, foreign ones a row in tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmvad.cli.main import main
from mmvad.runs import RunFolder, read_report
from tests.runs import refusal


def evaluated(*words: object) -> list[str]:
    return ["evaluate", *map(str, words)]


def test_the_scores_of_a_run_have_the_figures_of_its_report(
    bank: Path, finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs" / "again"
    assert main(evaluated(finished.scores, "--bank", bank, "--out", out, "--name", "Again", "--seed", 2)) == 0
    said = capsys.readouterr().out
    assert "a score a row of 16 frames (told by the videos' lengths)" in said
    assert "Again (scores from elsewhere), planted: frames (percent)" in said
    own, found = read_report(finished), read_report(RunFolder(out))
    for key in ("scores", "map", "frames", "abnormal_frames", "videos", "bank_hash"):
        assert found[key] == own[key]
    assert (found["config"]["seed"], found["select"], found["trainable_parameters"]) == (2, "unknown", None)


def test_scores_of_frames_without_a_folder(
    bank: Path, finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(finished.scores) as arrays:
        frames = {key: np.repeat(arrays[key], 16, axis=0) for key in arrays.files if key.endswith("coarse")}
    np.savez(tmp_path / "frames.npz", **frames)
    before = sorted(tmp_path.rglob("*"))
    assert main(evaluated(tmp_path / "frames.npz", "--bank", bank, "--benchmark", "planted")) == 0
    own = f"{100 * read_report(finished)['scores']['coarse']['ap']:.2f}"
    said = capsys.readouterr().out
    assert "a score a frame" in said
    assert own in said
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "run"], "--out: a row needs a name"),
        (["--name", "M"], "--name: says nothing without --out"),
        (["--features", "I3D"], "--features: says nothing without --out"),
        (["--out", "run", "--name", "M", "--seed", "-1"], "--seed: -1 is negative"),
        (["--out", "run", "--name", " "], "--name: ' ' is no name"),
        (["--benchmark", "plantd"], "did you mean: planted?"),
        (["--benchmark", "ucf_crime"], "is a bank of planted"),
    ],
)
def test_what_is_refused(
    words: list[str],
    said: str,
    bank: Path,
    finished: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refusal(capsys, evaluated(finished.scores, "--bank", bank, *words))
    assert not [*tmp_path.iterdir()], "nothing is written"


def test_nothing_to_hold_against(finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing says what is true" in refusal(capsys, evaluated(finished.scores))
    assert "says not where the lists" in refusal(capsys, evaluated(finished.scores, "--benchmark", "ucf_crime"))
    words = evaluated(finished.scores, "--benchmark", "ucf_crime", "--lists", tmp_path)
    assert "list of UCF-Crime is missing" in refusal(capsys, words)
    assert "there is no bank" in refusal(capsys, evaluated(finished.scores, "--bank", tmp_path / "none"))


def test_verbs_that_need_a_network_say_that_there_is_none(
    bank: Path, finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "again"
    assert main(evaluated(finished.scores, "--bank", bank, "--out", out, "--name", "Again")) == 0
    assert "there is no network in it" in refusal(capsys, ["test", str(out)])
    assert main(["curves", str(finished.path), str(out), "--bank", str(bank), "--out", str(tmp_path / "c.png")]) == 0
    assert (tmp_path / "c.png").stat().st_size > 10_000


def test_a_real_methods_scores_stand_in_table_i(
    field_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = field_data / "real" / "ucf_scores.npz"
    if not file.is_file():
        pytest.skip("the real scores are not here")
    lists, out = field_data / "data" / "ucf_crime", tmp_path / "runs" / "pel4vad"
    words = evaluated(file, "--benchmark", "ucf_crime", "--lists", lists, "--out", out, "--name", "PEL4VAD")
    assert "no scores of 1 of 290 test videos: Normal_Videos_937_x264" in refusal(capsys, words)
    assert not out.parent.exists()
    assert main([*words, "--subset", "--features", "I3D", "--modalities", "vt", "--supervision", "weak"]) == 0
    auc = json.loads((out / "report.json").read_text())["scores"]["combined"]["auc"]
    assert auc == pytest.approx(0.8674584, abs=1e-7)
    assert main(["report", str(out.parent), "--tables", "I", "--resamples", "0"]) == 0
    text = (out.parent / "report" / "tables" / "table_I_ucf_crime.md").read_text()
    assert "| PEL4VAD ¶ | weak | I3D | V+T | 86.75 | 70.18 |" in text
    assert "289 of 290 test videos; without Normal_Videos_937_x264" in text
    assert r"PEL4VAD \P{}" in (out.parent / "report" / "tables" / "table_I_ucf_crime.tex").read_text()
