"""Runs from before the measures of use have them all the same, without training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mmvad.metrics.measures import HELD_OUT, REASONS, USE
from mmvad.runs import RunFolder
from mmvad.tables import use
from mmvad.tables.frame import collect
from mmvad.tables.scored import Truths
from tests.tables.made_up import make_run


def old_run(tmp_path: Path, bank: Path) -> tuple[RunFolder, dict]:
    """A run without measures in its report, and what its report had."""
    folder = make_run(tmp_path / "runs", bank)
    report = json.loads(folder.report.read_text())
    known = report.pop(USE)
    folder.report.write_text(json.dumps(report))
    return folder, known


def found(folder: RunFolder) -> float:
    frame = collect([folder.path]).frame
    return float(frame.query("score == 'combined' and metric == 'found_at_10'")["value"].iloc[0])


def reason(folder: RunFolder, metric: str = "found_at_10") -> str:
    """Why the measure is missing."""
    rows = collect([folder.path]).frame.query(f"score == 'combined' and metric == '{metric}'")
    assert rows["value"].isna().all()
    return str(rows["reason"].iloc[0])


def test_an_old_run_gets_its_measures_once(results_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, known = old_run(tmp_path, results_bank)
    before = folder.report.read_bytes()
    assert found(folder) == known["combined"]["found_at_10"]
    assert folder.report.read_bytes() == before
    assert json.loads(folder.measures.read_text())[USE] == known
    monkeypatch.setattr(use, "measures", None)  # what is kept is read
    assert found(folder) == known["combined"]["found_at_10"]


@pytest.mark.parametrize("damage", ["{", "[]", '{"scores_sha256": "of others", "use": {"combined": {}}}'])
def test_what_is_kept_of_other_scores_or_broken_is_computed_again(
    damage: str, results_bank: Path, tmp_path: Path
) -> None:
    folder, known = old_run(tmp_path, results_bank)
    folder.measures.write_text(damage)
    assert found(folder) == known["combined"]["found_at_10"]


def test_damaged_scores_cost_the_measures_alone(results_bank: Path, tmp_path: Path) -> None:
    folder, _ = old_run(tmp_path, results_bank)
    folder.scores.write_bytes(b"no archive")
    frame = collect([folder.path]).frame
    assert "scores.npz: cannot be read" in reason(folder)
    assert not frame.query("metric == 'ap' and score == 'combined'").empty
    assert not folder.measures.exists()


def test_without_its_bank_a_run_has_no_measures_and_says_so(results_bank: Path, tmp_path: Path) -> None:
    bank = Path(shutil.copytree(results_bank, tmp_path / "bank"))
    folder, known = old_run(tmp_path, bank)
    shutil.rmtree(bank)
    assert f"bank {bank}: is not here" in reason(folder)
    assert "`mmvad report --bank DIR`" in reason(folder)
    there = use.with_use(folder, json.loads(folder.report.read_text()), None, Truths([results_bank]))
    assert there[USE] == known


def test_a_threshold_that_the_report_knows_stays(results_bank: Path, tmp_path: Path) -> None:
    """A report with some measures and a threshold, from before another measure."""
    folder, known = old_run(tmp_path, results_bank)
    report = json.loads(folder.report.read_text())
    report[USE] = {"combined": {HELD_OUT: 0.25, "event_f1_held_out": 0.125}}
    there = use.with_use(folder, report, str(results_bank), Truths())[USE]["combined"]
    assert (there[HELD_OUT], there["event_f1_held_out"], there["ece"]) == (0.25, 0.125, known["combined"]["ece"])


def test_a_threshold_that_only_the_network_knows(results_bank: Path, tmp_path: Path) -> None:
    """The old run did hold videos out: what is missing is not that, but a test of its checkpoint."""
    folder = make_run(tmp_path / "runs", results_bank, ["data.validation_share=0.2"])
    report = json.loads(folder.report.read_text())
    del report[USE]
    folder.report.write_text(json.dumps(report))
    assert "`mmvad test RUN` prints it" in reason(folder, "event_f1_held_out")
    folder.scores.unlink()
    assert reason(folder).endswith("its scores.npz is not here")


def test_reasons_of_the_report_and_of_what_was_computed_come_together(results_bank: Path, tmp_path: Path) -> None:
    folder, known = old_run(tmp_path, results_bank)
    report = json.loads(folder.report.read_text())
    own = {name: value for name, value in known["fine"].items() if name != "class_event_ap"}
    report[USE] = {**known, "fine": own, "coarse": {**known["coarse"], "ece": None, REASONS: {"ece": "of its own"}}}
    there = use.with_use(folder, report, str(results_bank), Truths())[USE]
    assert there["fine"] == known["fine"]
    assert there["coarse"][REASONS]["ece"] == "of its own"
    assert there["coarse"][REASONS]["class_event_ap"] == known["coarse"][REASONS]["class_event_ap"]
