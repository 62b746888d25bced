"""What a study's table says of its own figures: switches, seeds, what the paper's figures are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.metrics.bootstrap import resampled_metric, video_weights
from mmvad.metrics.evaluate import frame_scores
from mmvad.metrics.frame import rank, snippet_positives, trapezoid_precision
from mmvad.report.render import markdown
from mmvad.tables.fill import fill
from mmvad.tables.filled import FilledTable
from mmvad.tables.frame import collect
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths
from mmvad.tables.studies import tables_named
from tests.tables.made_up import make_bank, make_run, scored


def table(key: str, results: Path, benchmark: str = "planted", resamples: int = 0) -> FilledTable:
    runs = Results(collect([results]).frame)
    return fill(tables_named([key], benchmark)[0], runs, Resampler(Truths(), resamples))


def test_switches_are_marked_in_studies(results_bank: Path, tmp_path: Path) -> None:
    for modalities in ("v", "vat"):
        make_run(tmp_path, results_bank, [f"modalities={modalities}", "quirks.smoothing=next_7"])
    filled = table("VI", tmp_path)
    text = markdown(filled)
    assert "| V § |" in text
    assert "| V+A+T § |" in text
    assert "§ V, V+A+T: switches on: smoothing=next_7" in filled.notes


def test_trapezoids_are_resampled_as_trapezoids(results_bank: Path) -> None:
    videos = scored(results_bank, 1.5, 3)
    weights = video_weights(len(videos), 40)
    wanted = []
    for row in weights.astype(int):
        drawn = [video for video, times in zip(videos, row) for _ in range(times)]
        positives = np.concatenate([snippet_positives(v.intervals, v.snippets) for v in drawn])
        wanted.append(trapezoid_precision(rank(frame_scores(drawn)["combined"], positives).curve()).value)
    found = resampled_metric(videos, "ap", weights, trapezoid=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert (found != resampled_metric(videos, "ap", weights)).all()


def test_the_interval_is_of_the_figure_in_the_table(
    results_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One resample that draws each video once is the test set itself."""
    monkeypatch.setattr("mmvad.tables.resampling.video_weights", lambda videos, n, _: np.ones((n, videos)))
    for quirk in ("off", "on"):
        for modalities in ("v", "vat"):
            changes = [f"modalities={modalities}", f"quirks.trapezoid_ap={quirk}"]
            make_run(tmp_path / quirk, results_bank, changes, skill=2.0 if modalities == "v" else 3.0)
        (row,) = [row for row in table("VI", tmp_path / quirk, resamples=3).rows if row.difference]
        assert row.difference.low == pytest.approx(row.difference.mean)  # type: ignore[union-attr]


def test_seeds_that_are_not_shared_are_said(results_bank: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run(tmp_path, results_bank, seed=seed)
    for seed in (1, 2):
        make_run(tmp_path, results_bank, ["modalities=v"], seed=seed, skill=1.0)
    notes = table("VI", tmp_path, resamples=50).notes
    assert any(n.endswith("differences over those that it shares with the base row: V (1)") for n in notes)
    assert "with one seed it knows nothing of seeds" in notes[0], "two seeds each, but one pair"
    make_run(tmp_path, results_bank, ["modalities=v"], seed=0, skill=1.0)
    make_run(tmp_path, results_bank, seed=2)
    notes = table("VI", tmp_path, resamples=50).notes
    assert not any("that it shares" in note for note in notes)
    assert "with one seed" not in notes[0]
    assert notes[0].endswith("; from 3 seeds it understates their noise")
    for seed in (3, 4):
        for changes in ([], ["modalities=v"]):
            make_run(tmp_path, results_bank, changes, seed=seed)
    assert table("VI", tmp_path, resamples=50).notes[0].endswith("paired by video and seed")


def test_what_the_papers_figure_reads_is_said(tmp_path: Path) -> None:
    for benchmark in ("ucf_crime", "xd_violence"):
        make_bank(tmp_path / benchmark, benchmark, 60)
        make_run(tmp_path / "runs", tmp_path / benchmark)
    said = "the paper's figures are filed under V+A+T; the rows beside them read V+T"
    assert said in table("VI", tmp_path / "runs", "ucf_crime").notes
    assert not any("filed under" in note for note in table("VI", tmp_path / "runs", "xd_violence").notes)
