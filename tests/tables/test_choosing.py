"""Which runs a table shows where several studies left theirs: those next to the shipped base configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mmvad.runs import read_json, write_json
from mmvad.tables.fill import fill
from mmvad.tables.filled import FilledTable
from mmvad.tables.frame import collect
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths
from mmvad.tables.studies import tables_named
from tests.tables.made_up import BASES, make_bank, make_run

FOLDED = [*sorted((BASES / "components").glob("*.yaml")), *sorted((BASES / "losses").glob("*.yaml"))]
ONE_VALUE = ("Xa", "Xb", "XIa", "XIb", "XII", "Fig5", "temporal", "fusion", "weighting", "contrast")


NEAREST = "these are the runs nearest to the base"


def table(key: str, results: Path, overrides: Sequence[str] = ()) -> FilledTable:
    return fill(tables_named([key], "planted", overrides)[0], Results(collect([results]).frame), Resampler(Truths(), 0))


def settings(overlay: Path) -> list[str]:
    """An overlay as `section={...}`."""
    return [line.replace(": ", "=", 1) for line in overlay.read_text().splitlines() if line[0] != "#"]


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, results_bank: Path) -> Path:
    """Modalities, components and losses, as their sweeps leave them: the contrast is off more often than on."""
    results = tmp_path_factory.mktemp("several")
    rows = {tuple(settings(overlay)) for overlay in FOLDED} | {(f"modalities={m}",) for m in ("v", "va", "vt")}
    base = (*settings(FOLDED[4]),)
    rows.discard((*settings(FOLDED[-1]),))  # the same configuration as the components' last
    for position, changes in enumerate(sorted(rows)):
        make_run(results, results_bank, changes, skill=3.0 if changes == base else 1.5, noise=position)
    return results


def test_studies_of_several_switches_do_not_outvote_the_base(several: Path) -> None:
    base = next(row for row in table("VI", several).rows if row.base)
    assert base.lead == ("V+A+T",)
    for key in ONE_VALUE:
        filled = table(key, several)
        (shown,) = [row for row in filled.rows if row.seeds]
        assert shown.base, key
        assert shown.cells[0] == base.cells[0], key
        assert not any("settings other than" in note for note in filled.notes), key


def test_what_stands_in_a_table_nowhere_is_named(several: Path) -> None:
    note = next(note for note in table("fusion", several).notes if note.startswith("other runs fill some"))
    assert note.endswith("left out: loss.contrast=False")


def test_of_many_other_settings_the_first_few_are_named(results_bank: Path, tmp_path: Path) -> None:
    for epochs in (18, 1, 2, 3, 4, 5, 6):
        for modalities in ("v", "vat"):
            make_run(tmp_path, results_bank, [f"optim.epochs={epochs}", f"modalities={modalities}"])
    note = next(note for note in table("VI", tmp_path).notes if note.startswith("other runs fill some"))
    assert note.count("optim.epochs=") == 4
    assert note.endswith("; and 2 more")


def test_a_short_trial_does_not_hide_the_sweep_nor_the_sweep_a_trial_of_two_rows(
    results_bank: Path, tmp_path: Path
) -> None:
    short = ["optim.epochs=2"]
    for changes in (["modalities=v"], ["modalities=va"], ["modalities=vt"], []):
        make_run(tmp_path, results_bank, [*short, *changes])
    make_run(tmp_path, results_bank, [], noise=5)
    filled = table("VI", tmp_path)
    assert [bool(row.seeds) for row in filled.rows] == [True] * 4
    assert any("settings other" in note and "optim.epochs=2" in note for note in filled.notes)
    assert any(note.endswith("left out: optim.epochs=18") for note in filled.notes), "one row, but it is the base's"
    make_run(tmp_path, results_bank, ["modalities=v"], noise=6)
    filled = table("VI", tmp_path)
    assert [bool(row.seeds) for row in filled.rows] == [True, False, False, True]
    assert any(note.endswith("left out: optim.epochs=2") for note in filled.notes)


def test_the_same_weights_elsewhere_and_more_seeds_of_another_bank_hide_no_sweep(
    results_bank: Path, tmp_path: Path
) -> None:
    make_bank(tmp_path / "other", seed=9)
    for seed in range(6):
        make_run(tmp_path / "runs", tmp_path / "other", seed=seed)
    for changes in (["modalities=v"], ["modalities=va"], []):
        make_run(tmp_path / "runs", results_bank, [*changes, "model.text.weights=/there/tiny.pt"])
    filled = table("VI", tmp_path / "runs")
    assert [bool(row.seeds) for row in filled.rows] == [True, True, False, True]
    assert any("left out: bank_hash=" in note for note in filled.notes)


def test_rows_of_other_tables_are_no_rivals(results_bank: Path, tmp_path: Path) -> None:
    for changes in ([], ["modalities=v"], ["data.batch_size=64"], ["model.prompt_half=7"]):
        make_run(tmp_path, results_bank, changes)
    assert not any("other runs" in note for note in table("VI", tmp_path).notes)


def test_every_setting_that_is_not_as_shipped_is_named(results_bank: Path, tmp_path: Path) -> None:
    changed = ["model.dropout=0.1", "loss.fine_pooling=class", "optim.schedule=constant", "data.chunk_overlap=8"]
    make_run(tmp_path, results_bank, changed)
    note = next(note for note in table("VI", tmp_path).notes if note.startswith("settings other"))
    assert all(text in note for text in changed)
    assert note.count("=") == len(changed)


def test_a_table_is_of_the_runs_that_its_sweep_makes(results_bank: Path, tmp_path: Path) -> None:
    for epochs, skill in ((18, 3.0), (2, 1.5)):
        for modalities in ("v", "va", "vat"):
            make_run(tmp_path, results_bank, [f"modalities={modalities}", f"optim.epochs={epochs}"], skill=skill)
    long, short = table("VI", tmp_path), table("VI", tmp_path, ["optim.epochs=2"])
    assert [len(row.seeds) for row in long.rows] == [len(row.seeds) for row in short.rows] == [1, 1, 0, 1]
    assert (long.rows[0].cells[0].mean or 0) > (short.rows[0].cells[0].mean or 0)
    assert not any(NEAREST in note for note in (*long.notes, *short.notes))
    assert "settings other than those of experiments/planted.yaml: optim.epochs=2" in short.notes


def test_foreign_runs_fill_a_table_that_says_so(results_bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path, results_bank)
    assert not any(NEAREST in note for note in table("VI", tmp_path).notes), "the base row is its sweep's"
    for modalities in ("v", "vat"):
        make_run(tmp_path, results_bank, [f"modalities={modalities}", "model.dropout=0.1"])
    filled = table("VI", tmp_path)
    assert [bool(row.seeds) for row in filled.rows] == [True, False, False, True]
    command = "`mmvad sweep run modalities --benchmark planted`"
    assert f"no run is what {command} makes: {NEAREST}" in filled.notes
    assert "settings other than those of experiments/planted.yaml: model.dropout=0.1" in filled.notes
    make_run(tmp_path, results_bank, ["modalities=va"])
    filled = table("VI", tmp_path)
    assert [bool(row.seeds) for row in filled.rows] == [False, True, False, True]
    assert not any(NEAREST in note for note in filled.notes)
    assert any(note.endswith("left out: model.dropout=0.1") for note in filled.notes)


def test_a_joined_table_is_of_one_bank_and_one_precision(results_bank: Path, tmp_path: Path) -> None:
    make_bank(tmp_path / "other", seed=9)
    for changes in ([], ["modalities=v"], ["modalities=va"]):
        make_run(tmp_path / "runs", results_bank, changes, precision="bf16-mixed")
    for changes in ([], ["modalities=v"]):
        make_run(tmp_path / "runs", results_bank, changes)
        make_run(tmp_path / "runs", tmp_path / "other", changes)
    filled = table("VI", tmp_path / "runs")
    assert [bool(row.seeds) for row in filled.rows] == [True, True, False, True]
    assert not any(note.startswith("this table mixes") for note in filled.notes)
    (note,) = [note for note in filled.notes if note.startswith("other runs fill")]
    assert "bank_hash=" in note
    assert "precision=32-true" in note


def test_runs_whose_reports_lack_a_later_key_are_joined(results_bank: Path, tmp_path: Path) -> None:
    for modalities in ("v", "vat"):
        folder = make_run(tmp_path, results_bank, [f"modalities={modalities}"])
        report = read_json(folder.report)
        del report["config"]["data"]["chunk_overlap"]
        write_json(folder.report, report)
    filled = table("VI", tmp_path)
    assert [bool(row.seeds) for row in filled.rows] == [True, False, False, True]
    assert not any(NEAREST in note for note in filled.notes)
