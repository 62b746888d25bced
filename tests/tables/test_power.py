"""What seeds can show, and that noise is not called significant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvad.metrics.bootstrap import Difference, holm, interval, resampled_metric, video_weights
from mmvad.metrics.evaluate import evaluate
from mmvad.tables.definitions import FRAME
from mmvad.tables.fill import fill
from mmvad.tables.filled import Cell, FilledRow
from mmvad.tables.frame import collect
from mmvad.tables.power import corrected_note, pooled_deviation, power_note, seeds_needed
from mmvad.tables.resampling import ALL_ALIKE, Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths
from mmvad.tables.studies import tables_named
from tests.metrics.scored import BENCHMARK, random_videos
from tests.tables.made_up import make_bank, make_run


def test_holm_by_hand() -> None:
    """Each p times the number of those that are not smaller, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_seeds_needed_find_the_effect_in_four_of_five_cases() -> None:
    assert seeds_needed(1.0, 1.0) == 16
    assert seeds_needed(0.1, 5.0) == 2
    draw = np.random.default_rng(0)
    ours, theirs = (draw.normal(shift, 1.0, (4000, 16)).mean(axis=1) for shift in (1.0, 0.0))
    assert np.mean(np.abs(ours - theirs) > 1.959964 * np.sqrt(2 / 16)) == pytest.approx(0.8, abs=0.03)


def test_the_noise_of_seeds_is_pooled_and_told() -> None:
    rows = [[80.0, 81.0], [70.0, 73.0], [50.0]]
    deviation = pooled_deviation(rows)
    assert deviation == pytest.approx(np.sqrt((0.5 + 4.5) / 2))
    (note,) = power_note(rows, "AP")
    assert note.startswith("seeds differ by 1.58 points of AP")
    assert f"of 1 point takes {seeds_needed(deviation, 1.0)} seeds a row" in note
    assert power_note([[80.0], []], "AP") == []


def test_folds_are_no_noise_of_seeds(tmp_path: Path) -> None:
    """One seed a fold tells nothing of seeds, however far the folds' test sets lie apart."""
    make_bank(tmp_path / "bank")
    for fold, skill in (("0", 0.5), ("1", 3.0)):
        make_run(tmp_path / "runs", tmp_path / "bank", [f"data.fold={fold}"], skill=skill)
    (study,) = tables_named(["VI"], "planted")
    notes = fill(study, Results(collect([tmp_path / "runs"]).frame), Resampler(Truths(), 0)).notes
    assert not any(note.startswith("seeds differ") for note in notes)


def test_the_spread_between_banks_of_a_generator(tmp_path: Path) -> None:
    for seed in range(3):
        make_bank(tmp_path / f"bank{seed}", seed=seed)
        make_run(tmp_path / "runs", tmp_path / f"bank{seed}", skill=1.5)
    runs = Results(collect([tmp_path / "runs"]).frame)
    (study,) = tables_named(["VI"], "planted")
    means = sorted(100 * (runs.figure(record, FRAME["ap"])[0] or 0) for record in runs.records)
    each = ", ".join(f"{mean:.2f}" for mean in means)
    wanted = f"the base row on 3 banks: {each} AP, a standard deviation of {np.std(means, ddof=1):.2f} points"
    assert wanted in fill(study, runs, Resampler(Truths(), 0)).notes


def test_what_stands_after_the_correction_is_named() -> None:
    row = FilledRow(("a",), (Cell(1.0),), difference=Difference(0.1, 0.0, 0.2, p=0.03))
    other = replace(row, lead=("b",), difference=Difference(0.1, 0.0, 0.2, p=0.04))
    assert corrected_note([row]) == ["significant at 5 % after Holm's correction for 1 difference: a (p = 0.03)"]
    assert corrected_note([row, other]) == ["significant at 5 % after Holm's correction for 2 differences: none"]
    assert corrected_note([FilledRow(("a",), (Cell(1.0),))]) == []


def test_noise_is_called_significant_in_few_of_many_tables() -> None:
    """Tables of five rows of random scores: in 5 % of them at most may a difference stand; here of 40 with room."""
    videos, weights = random_videos(0, videos=60), video_weights(60, 200)
    called = 0
    for table in range(40):
        draw = np.random.default_rng([7, table])
        rows = [[replace(v, coarse=draw.random(v.snippets)) for v in videos] for _ in range(5)]
        figures = [evaluate(BENCHMARK, row)["scores"]["combined"]["auc"] for row in rows]
        resampled = [resampled_metric(row, "auc", weights) for row in rows]
        spreads = [interval({0: own}, {0: resampled[0]}) for own in resampled[1:]]
        p = [spread.p(figure - figures[0]) for spread, figure in zip(spreads, figures[1:])]
        called += min(holm(p)) < 0.05
    assert called <= 6


def test_every_figure_of_a_table_can_have_its_interval(results: Path) -> None:
    wanted = [tables_named([name], "planted")[0] for name in ("VI", "use")]
    runs = Results(collect([results]).frame)
    for table in wanted:
        filled = fill(table, runs, Resampler(Truths(), 60, every_cell=True))
        (row,) = [row for row in filled.rows if row.lead[-1] == "V+A+T"]
        with_interval = [cell for cell in row.cells if cell.low is not None and cell.mean is not None]
        certain = [cell for cell in row.cells if (cell.unbounded or "").endswith(ALL_ALIKE)]  # 100 % of events
        assert len(with_interval) + len(certain) >= (len(row.cells) if table.key == "VI" else 8)
        assert len(with_interval) >= 6 or table.key == "VI"
        assert all(cell.low <= cell.mean + 2 and cell.mean - 2 <= cell.high for cell in with_interval)  # type: ignore[operator]
        assert any(note.startswith("in brackets behind a figure its 95%") for note in filled.notes)
        plain = fill(table, runs, Resampler(Truths(), 60))
        assert [replace(c, low=None, high=None, unbounded=None) for c in row.cells] == [
            *next(r for r in plain.rows if r.lead == row.lead).cells
        ]
