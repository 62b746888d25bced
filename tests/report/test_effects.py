"""Effects beside noise: equal to pandas on the same frame, and to chance on rows that do not differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from mmvad.report.effects import at_base, effect_figure, effects, expected_range, overall
from mmvad.tables.frame import collect
from mmvad.tables.results import Results
from tests.tables.made_up import make_run


def test_overall_is_one_row_a_run(results: Path) -> None:
    frame = collect([results]).frame
    runs = overall(frame)
    assert len(runs) == runs["identity"].nunique() == 24
    assert runs["percent"].between(0, 100).all()
    one = frame[(frame["identity"] == runs["identity"][5]) & (frame["score"] == "combined") & (frame["class"] == "all")]
    assert 100 * float(one[one["metric"] == "ap"]["value"].iloc[0]) == runs["percent"][5]
    assert overall(frame, "map_avg", "events")["modalities"].nunique() == 1, "v and va have no fine branch"


def test_effects_are_those_of_a_pivot(results: Path) -> None:
    frame = collect([results]).frame
    table = effects(Results(frame), "planted").set_index("table")
    runs = overall(frame)
    base = (runs["model.acp"] == "pre_post") & (runs["model.prompt_half"] == 4)
    base &= (runs["loss.lambda_contrast"] == 0.15) & (runs["loss.lambda_embed"] == 2e-4)
    by_row = runs[base].groupby("modalities")["percent"]
    found = table.loc["VI"]
    assert (found["rows"], found["runs"]) == (3, 9)
    assert found["best"] == {"vat": "V+A+T", "va": "V+A", "v": "V"}[str(by_row.mean().idxmax())]
    assert found["effect"] == pytest.approx(by_row.mean().max() - by_row.mean().min())
    assert found["noise"] == pytest.approx(np.sqrt((by_row.var(ddof=1)).mean()))
    assert found["by_chance"] == pytest.approx(found["noise"] / np.sqrt(3) * 1.6926, rel=1e-3)
    assert "IX" not in table.index, "one row compares with nothing"


def test_rows_at_the_base_differ_in_the_given_keys_alone(results: Path) -> None:
    frame = collect([results]).frame
    lambdas = ["loss.lambda_contrast", "loss.lambda_embed"]
    grid = at_base(overall(frame), Results(frame).base("planted"), lambdas)
    assert grid.groupby(lambdas).size().to_dict() == {(c, e): 3 for c in (0.1, 0.15) for e in (1e-4, 2e-4)}
    assert set(grid["modalities"]) == {"vat"}


def test_the_expected_range_is_the_simulated_one() -> None:
    draws = np.random.default_rng(0).normal(size=(50_000, 6))
    for count in (1, 2, 4, 6):
        ranges = draws[:, :count].max(axis=1) - draws[:, :count].min(axis=1)
        assert expected_range(count) == pytest.approx(ranges.mean(), abs=0.02)


def test_single_seeds_have_no_noise_and_no_nan(
    results_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for modalities in ("v", "vat"):
        make_run(tmp_path / "runs", results_bank, [f"modalities={modalities}"])
    table = effects(Results(collect([tmp_path / "runs"]).frame), "planted")
    assert table["noise"].isna().all()
    assert not any(isinstance(value, float) and np.isnan(value) for value in table["noise"].tolist())
    saved: list[Figure] = []
    monkeypatch.setattr("mmvad.report.effects.save", lambda figure, *_: saved.append(figure) or ())
    effect_figure(tmp_path, table, "planted")
    assert [text.get_text() for text in saved[0].axes[0].texts] == ["chance unknown: no row has two seeds"]
    assert len(saved[0].axes[0].patches) == 1, "no bar of chance, not one of no length"


def test_rows_that_peeked_are_marked(results_bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", results_bank, skill=3.0)
    make_run(tmp_path / "runs", results_bank, ["modalities=v", "select=best_test"], skill=1.0)
    table = effects(Results(collect([tmp_path / "runs"]).frame), "planted")
    assert table.loc[0, ["best", "worst"]].tolist() == ["V+A+T", "V †"]
    assert effect_figure(tmp_path, table, "planted").caption.endswith(
        " † the checkpoint was chosen on the TEST set (select=best_test)."
    )


def test_no_rows_name_a_command(results_bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", results_bank)
    table = effects(Results(collect([tmp_path / "runs"]).frame), "planted")
    assert table.empty
    assert "make ablations BENCHMARK=planted" in str(effect_figure(tmp_path, table, "planted").missing)
