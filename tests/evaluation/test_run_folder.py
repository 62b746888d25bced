"""The folder of scores from elsewhere: its report, its truth, its identity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.evaluation.foreign_scores import read_scores
from mmvad.evaluation.matching import match
from mmvad.evaluation.run_folder import Described, foreign_report, foreign_videos, write_foreign_run
from mmvad.metrics.evaluate import evaluate
from mmvad.runs import RunFolder, read_report, run_config
from tests.evaluation.made import FORMS, TINY, as_npz, classes, scores, tiny_truth


def written(scores_file: Path, out: Path, described: Described) -> RunFolder:
    truth = tiny_truth()
    found = read_scores(scores_file, truth)
    matched = match(found, truth)
    return write_foreign_run(out, foreign_report(found, truth, matched, described), truth, matched)


@pytest.mark.parametrize("per_frame", [False, True])
def test_the_folder_holds_report_truth_and_scores(per_frame: bool, tmp_path: Path) -> None:
    both = {f"{n}/classes": v for n, v in classes(per_frame).items()}
    both |= {f"{n}/score": v for n, v in scores(per_frame).items()}
    folder = written(as_npz(tmp_path / "made", both), tmp_path / "run", Described("Method v1.5", 3, "v", "I3D", "weak"))
    report = read_report(folder)
    assert report["config"]["model"]["name"] == "elsewhere:Method v1.5"
    assert report["foreign"]["scores_from"].startswith("made.npz, sha256 ")
    again = evaluate(TINY, foreign_videos(folder))
    assert {key: report[key] for key in again} == json.loads(json.dumps(again))
    assert len(list(folder.figures.glob("*.png"))) == 8
    names = {f"{name}/{part}" for name in scores() for part in ("classes", "combined")}
    with np.load(folder.scores, allow_pickle=False) as arrays:
        assert {*arrays.files} == names
    with pytest.raises(UserError, match="another program wrote: there is no network"):
        run_config(folder)


def test_identity_is_of_numbers_name_and_seed_not_of_files(tmp_path: Path) -> None:
    folders = [
        written(make(tmp_path / f"form{i}", scores()), tmp_path / f"run{i}", Described("M"))
        for i, make in enumerate(FORMS.values())
    ]
    assert len({read_report(folder)["identity"] for folder in folders}) == 1
    same = as_npz(tmp_path / "same", scores())
    others = [written(same, tmp_path / f"other{i}", d) for i, d in enumerate((Described("N"), Described("M", 1)))]
    assert len({read_report(folder)["identity"] for folder in (folders[0], *others)}) == 3


def test_the_same_again_is_fine_and_other_scores_are_refused(tmp_path: Path) -> None:
    file = as_npz(tmp_path / "made", scores())
    folder = written(file, tmp_path / "run", Described("M"))
    before = folder.report.read_bytes()
    folder.report.unlink()  # as after a kill
    assert written(file, tmp_path / "run", Described("M")).report.read_bytes() == before
    assert written(file, tmp_path / "run", Described("M", features="I3D")).report.read_bytes() != before
    with pytest.raises(UserError, match="holds other scores or another name"):
        written(file, tmp_path / "run", Described("N"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(UserError, match="is a folder of something else"):
        written(file, tmp_path / "own", Described("M"))
    assert [p.name for p in (tmp_path / "own").iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("damage", ["scores", "truth", "video"])
def test_a_damaged_folder(damage: str, tmp_path: Path) -> None:
    folder = written(as_npz(tmp_path / "made", scores()), tmp_path / "run", Described("M"))
    if damage == "scores":
        folder.scores.write_bytes(folder.scores.read_bytes()[:80])
    elif damage == "truth":
        folder.truth.write_text("[]")
    else:
        record = json.loads(folder.truth.read_text())
        record["videos"][0]["name"] = "other"
        folder.truth.write_text(json.dumps(record))
    with pytest.raises(UserError):
        foreign_videos(folder)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 61])
def test_a_name_that_no_table_can_print(name: str) -> None:
    with pytest.raises(UserError, match="--name"):
        Described(name)
