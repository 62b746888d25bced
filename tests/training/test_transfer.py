"""A run on another bank: its own gives its report; another's gives frame metrics, and mAP of what is mapped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import open_bank
from mmvad.benchmarks.registry import benchmark, remember
from mmvad.cli.main import main
from mmvad.errors import UserError
from mmvad.metrics.frame import average_precision, rank, snippet_positives
from mmvad.metrics.measures import USE
from mmvad.releases.importing import import_release
from mmvad.runs import RunFolder
from mmvad.training.train import train
from mmvad.training.transfer import _benchmark_in, transfer
from tests.own import change, write_own
from tests.runs import configured, refusal, report
from tests.small import write_bank


@pytest.fixture(scope="module")
def run(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that these tests may leave files in."""
    return train(configured(bank, tmp_path_factory.mktemp("transfer"), "optim.epochs=2"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of XD-Violence, whose classes have other keys than planted's and the same prompts."""
    return write_bank(tmp_path_factory.mktemp("other") / "ucf", benchmark="xd_violence", test=14)


def files_of(run: RunFolder) -> dict[str, bytes]:
    return {str(p.relative_to(run.path)): p.read_bytes() for p in run.path.rglob("*") if p.is_file()}


def test_its_own_bank_gives_its_own_report(run: RunFolder, bank: Path) -> None:
    before = files_of(run)
    found = transfer(run.path, bank)
    own = report(run)
    for key in ("scores", "map", USE, "videos", "snippets", "frames", "abnormal_frames", "abnormal_videos"):
        assert json.dumps(found.report[key]) == json.dumps(own[key]), "byte for byte"
    after = files_of(run)
    assert {*after} - {*before} == {f"tests/planted-{open_bank(bank).content_hash[:12]}.json"}
    assert all(after[name] == content for name, content in before.items()), "report.json is never written over"
    assert main(["test", str(run.path)]) == 0


def test_another_benchmark_has_frame_metrics_of_all_its_videos(
    run: RunFolder, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", str(run.path), "--bank", str(other)]) == 0
    said = capsys.readouterr().out
    assert "of planted on xd_violence: frames (percent)" in said
    assert "found at 10/h" in said
    file = run.path / "tests" / f"xd_violence-{open_bank(other).content_hash[:12]}.json"
    found = json.loads(file.read_text())
    assert found["videos"] == 14
    assert found["target"]["headline"] == "ap"
    assert found["classes"]["B1"] == ["fighting"]
    assert all(found["scores"][score]["ap"] is not None for score in ("combined", "coarse", "fine"))
    assert found["map"]["clean"]["mean"] is not None
    assert {*found["map"]["clean"]["classes"]} == {*found["classes"]} - {"A"}
    again = transfer(run.path, other)
    assert again.report == found


def test_a_map_decides_what_the_map_is_over(run: RunFolder, other: Path, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("B1: [fighting, abuse]\nG: explosion\n")
    found = transfer(run.path, other, classes=tmp_path / "map.yaml").report
    assert {*found["map"]["clean"]["classes"]} == {"B1", "G"}
    assert {*found["map"]["published"]["classes"]} == {"A", "B1", "G"}
    alike = transfer(run.path, other).report
    assert found["scores"]["fine"] == alike["scores"]["fine"], "frames need no class"
    assert found["map"]["clean"]["classes"]["G"] == alike["map"]["clean"]["classes"]["G"]


def test_measures_of_classes_are_over_those_that_are_mapped(run: RunFolder, other: Path, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("B1: fighting\nG: explosion\n")
    both = transfer(run.path, other, classes=tmp_path / "map.yaml").report[USE]["fine"]
    alone = []
    for line in ("B1: fighting\n", "G: explosion\n"):
        (tmp_path / "map.yaml").write_text(line)
        alone.append(transfer(run.path, other, classes=tmp_path / "map.yaml").report[USE]["fine"]["class_event_ap"])
    assert both["class_event_ap"] == pytest.approx(np.mean(alone))
    assert both["event_ap"] is not None


def test_its_threshold_goes_with_it(run: RunFolder, other: Path, tmp_path: Path) -> None:
    """That of the run's own held-out videos: the other bank's videos choose none."""
    copy = RunFolder(Path(shutil.copytree(run.path, tmp_path / "run")))
    own = report(copy)
    own[USE]["combined"]["held_out_threshold"] = 0.5
    copy.report.write_text(json.dumps(own))
    found = transfer(copy.path, other).report[USE]
    assert found["combined"]["event_f1_held_out"] == found["combined"]["event_f1"]
    assert found["coarse"]["event_f1_held_out"] is None


def test_class_names_can_be_given_to_a_network_that_reads_them(run: RunFolder, other: Path, bank: Path) -> None:
    found = transfer(run.path, other, open_vocabulary=True)
    assert found.path.name.endswith("-open.json")
    assert {*found.report["map"]["published"]["classes"]} == {*found.report["classes"]}
    assert len(found.report["classes"]) == 7
    closed = transfer(run.path, other).report
    assert found.report["scores"]["coarse"] == closed["scores"]["coarse"], "the coarse branch reads no names"
    same = transfer(run.path, bank, open_vocabulary=True).report
    assert same["scores"] == report(run)["scores"]


def test_no_class_in_common_has_a_reason(run: RunFolder, tmp_path: Path) -> None:
    classes = "".join(f"  pet{i}: a wild dog of kind {i}\n" for i in range(7))
    (tmp_path / "pets.yaml").write_text(f"title: Pets\naudio: required\nclasses:\n  calm: a calm cat\n{classes}")
    pets = write_bank(tmp_path / "pets", benchmark=str(tmp_path / "pets.yaml"), test=4)
    found = transfer(run.path, pets).report
    assert found["scores"]["combined"]["ap"] is not None
    assert found["map"]["published"]["mean"] is None
    why = "no abnormal class of the run stands for one"
    assert why in found["map"]["published"]["reasons"]["mean"]
    assert found[USE]["fine"]["class_event_ap"] is None
    assert why in found[USE]["fine"]["reasons"]["class_event_ap"]


def test_what_is_refused(
    run: RunFolder, bank: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["test", str(run.path)]
    assert "says nothing without --bank" in refusal(capsys, [*words, "--open-vocabulary"])
    assert "there is no bank" in refusal(capsys, [*words, "--bank", str(tmp_path / "none")])
    silent = write_bank(tmp_path / "silent", silent=["all"])
    assert "no sound in the test split" in refusal(capsys, [*words, "--bank", str(silent)])
    both = ["--bank", str(other), "--open-vocabulary", "--classes", str(tmp_path / "map.yaml")]
    assert "says nothing with --open-vocabulary" in refusal(capsys, [*words, *both])
    visual = train(configured(bank, tmp_path / "runs", "modalities=v", "optim.epochs=1"))
    with pytest.raises(UserError, match="reads no class names"):
        transfer(visual.path, other, open_vocabulary=True)
    assert transfer(visual.path, silent).report["scores"]["fine"]["ap"] is None


def test_features_of_another_kind_are_said(run: RunFolder, other: Path, tmp_path: Path) -> None:
    """Equal widths do not make them alike."""
    assert transfer(run.path, other).report["notes"] == []
    copy = tmp_path / "i3d"
    shutil.copytree(other, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["how"] |= {"features": "I3D", "normalise": "l2"}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert transfer(run.path, copy).report["notes"] == [
        "features: I3D here, CLIP where the run was trained: its figures say little",
        "scaling of rows: l2 here, none where the run was trained: its figures say little",
    ]


def test_figures_are_those_of_the_scores(run: RunFolder, bank: Path, tmp_path: Path) -> None:
    """A bank of some of the run's own test videos: their figures are those of the run's scores of these."""
    part = write_bank(tmp_path / "part", test=5)
    found = transfer(run.path, part).report
    videos = open_bank(part).test.videos
    with np.load(run.scores) as arrays:
        scores = np.concatenate([arrays[f"{v.name}/coarse"] for v in videos])
    positives = np.concatenate([snippet_positives(v.intervals, v.snippets) for v in videos])
    expected = average_precision(rank(scores, positives).curve()).value
    assert found["scores"]["coarse"]["ap"] == pytest.approx(expected, abs=1e-6)


def test_two_benchmarks_of_one_name_are_told_apart(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(file, "title: Yard", "title: Yard\nname: twin_yard")
    import_release(file, None, tmp_path / "bank", progress=False)
    facts = benchmark("twin_yard").facts
    remember({**facts, "classes": {"calm": "normal", "arson": "fire"}}, tmp_path, over=True)
    with pytest.raises(UserError, match=r"another twin_yard, with the classes calm, brawl, theft(.|\n)*`name:`"):
        _benchmark_in(open_bank(tmp_path / "bank"))
