"""What a table says of its intervals: over what they are, what they do not know, and why there are none."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mmvad.metrics.bootstrap import Difference
from mmvad.metrics.measures import USE
from mmvad.tables.fill import fill
from mmvad.tables.filled import Cell, FilledRow
from mmvad.tables.frame import collect
from mmvad.tables.interval_notes import seed_notes
from mmvad.tables.notes import together
from mmvad.tables.power import corrected_note
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths
from mmvad.tables.studies import tables_named
from tests.tables.made_up import make_bank, make_run

NOT_HERE = "is not here, so there is no ground truth"


def notes(runs: Path, name: str, truths: Truths | None = None) -> list[str]:
    (table,) = tables_named([name], "planted")
    resampler = Resampler(truths or Truths(), 40, every_cell=True)
    return list(fill(table, Results(collect([runs]).frame), resampler).notes)


def test_one_finding_in_many_places_is_one() -> None:
    found = [f"bank {i}: is not here" for i in range(6)] + ["no colon", "0 by protocol: silent", "bank 1: is not here"]
    banks = "bank 0, bank 1, bank 2, bank 3, and 2 more: is not here"
    assert together(found) == [banks, "no colon", "0 by protocol: silent"]


def test_folds_of_rows_with_other_numbers_of_seeds() -> None:
    rows = [
        FilledRow((name,), (), seeds=seeds, folds=("a", "b")) for name, seeds in (("x", (0, 0)), ("y", (0, 0, 1, 1)))
    ]
    assert seed_notes(rows, ()) == ["n counts runs: 2 folds, each with 1 to 2 seeds"]


@pytest.mark.parametrize("name", ["VI", "use"])
@pytest.mark.parametrize("folds", [2, 5])
def test_folds_are_not_counted_as_seeds(tmp_path: Path, name: str, folds: int) -> None:
    """Of five folds with a seed each the noise of seeds is in that of the folds; two are too few of either."""
    for fold in range(folds):
        make_bank(tmp_path / f"bank{fold}", videos=12, seed=fold)
        make_run(tmp_path / "runs", tmp_path / f"bank{fold}", [f"data.fold={fold}", "modalities=vat"], skill=1.0)
    found = notes(tmp_path / "runs", name)
    (brackets,) = [note for note in found if note.startswith("in brackets behind a figure")]
    few = "; from 2 folds it understates their noise" if folds < 5 else ""
    assert brackets.endswith(f"bootstrap resamples of test videos, folds and seeds{few}")
    assert f"n counts runs: {folds} folds, each with 1 seed" in found


def test_why_a_figure_has_no_interval_is_said_once(results_bank: Path, tmp_path: Path) -> None:
    bank = Path(shutil.copytree(results_bank, tmp_path / "bank"))
    for seed in range(2):
        make_run(tmp_path / "runs", bank, seed=seed)
    shutil.rmtree(bank)
    (said,) = [note for note in notes(tmp_path / "runs", "use") if note.startswith("without interval")]
    assert said == f"without interval: bank {bank}: {NOT_HERE} (`mmvad report --bank DIR`)"
    assert not any(NOT_HERE in note for note in notes(tmp_path / "runs", "use", Truths([results_bank])))


def test_an_interval_without_width_is_none(results_bank: Path, tmp_path: Path) -> None:
    """All of few events found are not certain to be found, though no resample has another one."""
    make_run(tmp_path, results_bank, skill=40.0)
    (table,) = tables_named(["use"], "planted")
    filled = fill(table, Results(collect([tmp_path]).frame), Resampler(Truths(), 40, every_cell=True))
    (found,) = [row.cells[0] for row in filled.rows if row.lead[0] == "ours"]
    assert (found.mean, found.low) == (100.0, None)
    (said,) = [note for note in filled.notes if note.startswith("without interval")]
    assert "found at 1/h" in said
    assert said.endswith(": every resample has the same figure")


def test_a_mean_over_fewer_runs_than_its_row_has_is_said(results_bank: Path, tmp_path: Path) -> None:
    for seed in range(2):
        folder = make_run(tmp_path, results_bank, seed=seed)
    report = json.loads(folder.report.read_text())
    report[USE]["combined"]["delay_at_1"] = None
    folder.report.write_text(json.dumps(report))
    wanted = "over fewer runs than n, since the others have no such figure: delay at 1/h (s) of ours (1 of 2)"
    assert wanted in notes(tmp_path, "use")


def test_what_one_seed_shows_is_said_of_one_seed() -> None:
    row = FilledRow(("a",), (Cell(1.0),), difference=Difference(0.1, 0.0, 0.2, paired=1, p=0.001), seeds=(0, 1))
    assert corrected_note([row])[0].endswith("; with one seed that is of other test videos, not of other seeds")
    more = replace(row, difference=Difference(0.1, 0.0, 0.2, paired=2, p=0.001))
    assert corrected_note([more])[0].endswith("a (p = 0.001)")
