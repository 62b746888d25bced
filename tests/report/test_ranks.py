from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from mmvad.report.ranks import rank_figure, ranked, shared
from mmvad.tables.frame import collect
from mmvad.tables.results import Results
from tests.tables.made_up import make_run


def test_ranks_are_scipys() -> None:
    figures = np.random.default_rng(0).integers(0, 4, (6, 5)).astype(float)
    np.testing.assert_array_equal(ranked(figures), rankdata(-figures, axis=0))


def test_shared_seeds() -> None:
    assert shared({"a": {("", 0): 1.0, ("", 1): 2.0}, "b": {("", 1): 3.0}}) == [("", 1)]
    assert shared({}) == []


def test_the_figure_of_many_rows_and_why_there_is_none(results: Path, results_bank: Path, tmp_path: Path) -> None:
    picture = rank_figure(tmp_path, "planted", Results(collect([results]).frame))
    assert {file.suffix for file in picture.files} == {".png", ".svg"}
    assert "each dot a seed of 3" in picture.caption
    make_run(tmp_path / "one", results_bank)
    alone = rank_figure(tmp_path, "planted", Results(collect([tmp_path / "one"]).frame))
    assert not alone.files
    assert "share two seeds" in (alone.missing or "")
