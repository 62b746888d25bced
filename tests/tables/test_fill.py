"""Tables are filled with the right runs, figures and words."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmvad.errors import UserError
from mmvad.report.render import as_csv, markdown
from mmvad.runs import read_json, write_json
from mmvad.tables.fill import fill
from mmvad.tables.filled import SEEDS_ONLY, FilledRow, FilledTable
from mmvad.tables.frame import collect
from mmvad.tables.published import PAPER, find_published, published_figures
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths
from mmvad.tables.studies import studies, tables_named
from tests.tables.made_up import make_bank, make_run, make_runs


def table(key: str, results: Path, benchmark: str = "planted", resamples: int = 0) -> FilledTable:
    runs = Results(collect([results]).frame)
    return fill(tables_named([key], benchmark)[0], runs, Resampler(Truths(), resamples))


def row(filled: FilledTable, name: str) -> FilledRow:
    return next(row for row in filled.rows if row.lead[0] == name)


def test_means_and_deviations_are_pandas(results: Path) -> None:
    frame = collect([results]).frame
    filled = table("VI", results)
    for name, modalities in {"V": "v", "V+A": "va"}.items():
        chosen = frame[(frame["modalities"] == modalities) & (frame["score"] == "combined") & (frame["metric"] == "ap")]
        values = 100 * chosen[chosen["class"] == "all"]["value"].astype(float)
        cell = row(filled, name).cells[0]
        assert (cell.mean, cell.deviation, cell.n) == pytest.approx((values.mean(), values.std(ddof=1), 3))


def test_the_base_row_is_the_run_that_all_studies_share(results: Path) -> None:
    filled = table("VI", results)
    assert [r.lead[0] for r in filled.rows] == ["V", "V+A", "V+T", "V+A+T"]
    base = row(filled, "V+A+T")
    assert base.base
    assert base.seeds == (0, 1, 2)
    assert row(table("VIII", results), "pre_post (after)").cells[0] == base.cells[0]
    assert row(table("VII", results), "all but ACP").cells[0] == row(table("VIII", results), "none (before)").cells[0]


def test_missing_rows_name_their_command(results: Path) -> None:
    filled = table("VI", results)
    assert row(filled, "V+T").absent == "mmvad sweep run modalities --benchmark planted"
    assert "missing: V+T; run `mmvad sweep run modalities --benchmark planted`" in filled.notes
    for study in studies("planted"):
        empty = [r for r in table(study.key, results).rows if not r.seeds]
        assert all(r.absent == study.command for r in empty)


def test_differences_come_with_intervals_that_hold_them(results: Path) -> None:
    filled = table("VI", results, resamples=300)
    difference = row(filled, "V").difference
    assert difference is not None
    assert difference.paired == 3
    assert difference.mean == pytest.approx((row(filled, "V").cells[0].mean - row(filled, "V+A+T").cells[0].mean) / 100)  # type: ignore[operator]
    assert difference.low is not None
    assert difference.high is not None
    assert difference.low < difference.mean < difference.high < 0
    assert "300 bootstrap resamples" in " ".join(filled.notes)
    assert table("VI", results, resamples=300).rows == filled.rows


def test_without_the_bank_there_is_a_difference_and_a_reason(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank")
    make_runs(tmp_path / "runs", tmp_path / "bank", [([], 2.0), (["modalities=v"], 1.0)], seeds=2)
    (tmp_path / "bank").rename(tmp_path / "moved")
    filled = table("VI", tmp_path / "runs", resamples=50)
    difference = row(filled, "V").difference
    assert difference is not None
    assert difference.low is None
    assert "mmvad report --bank DIR" in " ".join(filled.notes)
    runs = Results(collect([tmp_path / "runs"]).frame)
    found = fill(tables_named(["VI"], "planted")[0], runs, Resampler(Truths([tmp_path / "moved"]), 50))
    assert row(found, "V").difference.low is not None  # type: ignore[union-attr]


def test_a_base_row_that_no_sweep_makes_stands_in_its_order(results: Path) -> None:
    filled = table("Fig5", results)
    assert [r.lead[0] for r in filled.rows] == ["4", "7", "10", "12", "14"]
    assert row(filled, "4").base
    assert [r.lead[0] for r in table("XIa", results).rows] == ["64", "128", "256", "512"]


def test_lambdas_stay_at_the_base_of_the_other_one(results: Path) -> None:
    filled = table("Xa", results)
    assert [r.lead[0] for r in filled.rows if r.seeds] == ["0.1", "0.15"]
    assert any("loss.lambda_embed=0.0001" in note for note in filled.notes)


def test_silent_benchmarks_show_no_audio(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank", "ucf_crime", 60)
    make_runs(tmp_path / "runs", tmp_path / "bank", [([], 2.0), (["modalities=v"], 1.0)], seeds=1)
    filled = table("VI", tmp_path / "runs", "ucf_crime")
    assert [r.absent for r in filled.rows] == [None, "no audio", None, "no audio"]
    assert row(table("VII", tmp_path / "runs", "ucf_crime"), "+ fusion").absent == "no audio"
    assert row(filled, "V+T").cells[0].deviation is None
    assert row(filled, "V+T").paper[0] == find_published(PAPER, "ucf_crime", "auc")
    methods = table("I", tmp_path / "runs", "ucf_crime")
    ours = row(methods, "ours")
    assert ours.cells[0].mean == row(filled, "V+T").cells[0].mean
    assert any(note.startswith("published figures from: VadCLIP") for note in methods.notes)


def test_mixed_devices_and_precisions_are_said(results_bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path, results_bank)
    make_run(
        tmp_path,
        results_bank,
        ["modalities=v"],
        device="NVIDIA H200",
        precision="bf16-mixed",
        versions={"torch": "2.16"},
    )
    note = next(note for note in table("VI", tmp_path).notes if note.startswith("this table mixes"))
    assert "device (CPU, NVIDIA H200)" in note
    assert "precision (32-true, bf16-mixed)" in note
    assert "torch (2.15.0, 2.16)" in note


def test_runs_of_another_bank_are_not_averaged(results_bank: Path, tmp_path: Path) -> None:
    make_bank(tmp_path / "other", seed=9)
    make_runs(tmp_path / "runs", results_bank, [([], 2.0), (["modalities=v"], 1.0)])
    make_runs(tmp_path / "runs", tmp_path / "other", [([], 2.0), (["modalities=v"], 1.0)], seeds=2)
    filled = table("VI", tmp_path / "runs")
    assert row(filled, "V+A+T").seeds == (0, 1, 2)
    assert any("bank_hash=" in note for note in filled.notes)


def test_a_peek_at_the_test_set_is_marked(results_bank: Path, tmp_path: Path) -> None:
    make_runs(tmp_path, results_bank, [([], 2.0), (["modalities=v", "select=best_test"], 1.0)])
    filled = table("VI", tmp_path)
    assert row(filled, "V").selected_on_test
    assert not row(filled, "V+A+T").selected_on_test
    assert any("TEST set" in note for note in filled.notes)


def test_a_checkpoint_chosen_on_held_out_videos_is_said(results_bank: Path, tmp_path: Path) -> None:
    held = ["data.validation_share=0.2"]
    make_runs(tmp_path, results_bank, [(held, 2.0), ([*held, "modalities=v", "select=best_val"], 1.0)])
    filled = table("VI", tmp_path)
    assert "the checkpoint was chosen on held-out training videos (select=best_val): V" in filled.notes
    marks = {line["row"]: line["marks"] for line in csv.DictReader(io.StringIO(as_csv(filled)))}
    assert (marks["V"], marks["V+A+T"]) == ("select=best_val", "")


def test_a_seed_counts_once(results_bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path, results_bank)
    make_run(tmp_path, results_bank, precision="bf16-mixed", finished="2020")
    make_run(tmp_path, results_bank, seed=1)
    filled = table("VI", tmp_path)
    assert row(filled, "V+A+T").seeds == (0, 1)
    assert any(note.endswith("are left out: precision=bf16-mixed") for note in filled.notes)
    for day in ("2020", "2030"):
        make_run(tmp_path / "foreign", results_bank, ["optim.epochs=2"], precision=day, finished=day)
    filled = table("VI", tmp_path / "foreign")
    assert row(filled, "V+A+T").seeds == (0,)
    assert "1 runs of a seed that a row has already are left out" in filled.notes


def test_short_runs_do_not_pass_for_the_papers(tmp_path: Path) -> None:
    make_bank(tmp_path / "bank", "xd_violence", 60)
    make_run(tmp_path / "runs", tmp_path / "bank", ["optim.epochs=2"])
    for key in ("VI", "III"):
        notes = table(key, tmp_path / "runs", "xd_violence").notes
        assert any("optim.epochs=2" in note for note in notes)
        assert any("tested on 60 videos; the official test set has 800" in note for note in notes)


def test_published_figures_have_sources() -> None:
    assert len(published_figures()) == 178
    assert all(figure.source for figure in published_figures())
    assert all(0 < figure.value <= 100 for figure in published_figures())
    best = find_published(PAPER, "xd_violence", "ap")
    assert best is not None
    assert (best.value, best.text) == (86.32, "86.32*")


def test_tables_by_name() -> None:
    assert [t.key for t in tables_named(["x", "VI"], "planted")] == ["VI", "Xa", "Xb"]
    assert [t.key for t in tables_named(["compare", "iv"], "xd_violence")] == ["III", "IV", "V"]
    assert [t.key for t in tables_named(["lambda_grid"], "planted")] == ["lambda_grid"]
    assert not any(t.key == "lambda_grid" for t in tables_named(None, "planted"))
    with pytest.raises(UserError, match="unknown table"):
        tables_named(["XIV"], "planted")


def test_pandas_alone_gives_the_same_table(results: Path) -> None:
    """What a notebook would do with the frame, held against the filled row."""
    frame = collect([results]).frame
    chosen = frame[(frame["score"] == "combined") & (frame["metric"] == "ap") & (frame["class"] == "all")]
    pivot = chosen[chosen["modalities"] == "v"].pivot_table(index="modalities", values="value", aggfunc="mean")
    assert isinstance(pivot, pd.DataFrame)
    assert np.isclose(100 * float(pivot["value"].iloc[0]), row(table("VI", results), "V").cells[0].mean or 0)


def test_unfinished_runs_are_marked(results_bank: Path, tmp_path: Path) -> None:
    make_runs(tmp_path, results_bank, [([], 2.0), (["modalities=v"], 1.0)])
    killed = make_run(tmp_path, results_bank, ["modalities=vt"], seed=2)
    killed.report.unlink()
    found = collect([tmp_path])
    runs = Results(found.frame, found.unfinished_configs)
    filled = fill(tables_named(["VI"], "planted")[0], runs, Resampler(Truths(), 0))
    assert "unfinished or failed, and left out: V+T (seed 2)" in filled.notes
    assert not any(
        "unfinished" in note for note in fill(tables_named(["IX"], "planted")[0], runs, Resampler(Truths(), 0)).notes
    )


def test_a_key_that_reports_leave_out_at_its_first_value_is_filled_in(results_bank: Path, tmp_path: Path) -> None:
    """Runs keep their identity when a key is added, so reports lack `data.chunk_overlap` where it is 0."""
    for modalities in ("v", "vat"):
        make_run(tmp_path, results_bank, [f"modalities={modalities}", "data.chunk_overlap=8"], noise=3)
        folder = make_run(tmp_path, results_bank, [f"modalities={modalities}"])
        report = read_json(folder.report)
        del report["config"]["data"]["chunk_overlap"]
        write_json(folder.report, report)
    assert set(collect([tmp_path]).frame["data.chunk_overlap"]) == {0, 8}
    make_run(tmp_path, results_bank, ["modalities=vt"], seed=2).report.unlink()
    found = collect([tmp_path])
    runs = Results(found.frame, found.unfinished_configs)
    notes = fill(tables_named(["VI"], "planted")[0], runs, Resampler(Truths(), 0)).notes
    assert any(note.endswith("left out: data.chunk_overlap=8") for note in notes)
    assert "unfinished or failed, and left out: V+T (seed 2)" in notes


def pulled(bank: Path, folder: Path, seeds: int) -> FilledTable:
    """Table VI of runs without scores, as a database brings them."""
    make_runs(folder, bank, [([], 2.0), (["modalities=v"], 1.0)], seeds=seeds)
    for scores in folder.rglob("scores.npz"):
        scores.unlink()
    return table("VI", folder, resamples=400)


def test_reports_without_scores_have_an_interval_over_seeds(results_bank: Path, tmp_path: Path) -> None:
    filled = pulled(results_bank, tmp_path, seeds=3)
    difference = row(filled, "V").difference
    assert difference is not None
    figures = collect([tmp_path]).frame.query("score == 'combined' and metric == 'ap' and `class` == 'all'")
    by_seed = figures.pivot_table(index="seed", columns="modalities", values="value").astype(float)
    gaps = by_seed["v"] - by_seed["vat"]
    assert difference.seeds_only
    assert difference.mean == pytest.approx(gaps.mean())
    # 400 resamples of three: the extremes, all three draws the same seed, come up 15 times each.
    assert (difference.low, difference.high) == pytest.approx((gaps.min(), gaps.max()))
    assert any(note.startswith(f"{SEEDS_ONLY} interval over seeds alone") for note in filled.notes)
    assert SEEDS_ONLY in markdown(filled)


def test_one_missing_file_of_scores_is_enough(results_bank: Path, tmp_path: Path) -> None:
    make_runs(tmp_path, results_bank, [([], 2.0), (["modalities=v"], 1.0), (["modalities=va"], 1.5)])
    next(tmp_path.glob("planted-v-s1-*")).joinpath("scores.npz").unlink()
    filled = table("VI", tmp_path, resamples=50)
    assert row(filled, "V").difference.seeds_only  # type: ignore[union-attr]
    assert not row(filled, "V+A").difference.seeds_only  # type: ignore[union-attr]


def test_one_seed_without_scores_has_no_interval(results_bank: Path, tmp_path: Path) -> None:
    filled = pulled(results_bank, tmp_path, seeds=1)
    difference = row(filled, "V").difference
    assert difference is not None
    assert difference.low is None
    assert any("without interval: one seed, and a run's scores.npz is not here" in note for note in filled.notes)
