"""Confusion in frames, held against a loop over every frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from mmvad.benchmarks.benchmark import Event
from mmvad.benchmarks.registry import PLANTED
from mmvad.figures.mistakes import class_figures, confusion, confusion_figure, error_shares
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.tables.frame import collect
from tests.tables.made_up import scored

KEYS = PLANTED.class_keys


def by_hand(videos: list[ScoredVideo]) -> np.ndarray:
    table = np.zeros((len(KEYS), len(KEYS)), dtype=int)
    for video in videos:
        assert video.class_probabilities is not None
        for frame in range(16 * video.snippets):
            predicted = int(video.class_probabilities[frame // 16].argmax())
            inside = {e.label for e in video.events if e.start <= frame < e.end} or {KEYS[0]}
            for label in inside:
                table[KEYS.index(label), predicted] += 1
    return table


def test_confusion_is_the_count_of_every_frame(results_bank: Path) -> None:
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet(np.ones(len(KEYS)), size=6).astype(np.float32)
    overlapping = (Event("riot", 5, 50), Event("abuse", 30, 70), Event("riot", 40, 60), Event("riot", 90, 500))
    odd = ScoredVideo("odd", ("riot", "abuse"), overlapping, (), None, probabilities)
    videos = [*scored(results_bank, 1.0, 0), odd]
    table = confusion(PLANTED, videos)
    np.testing.assert_array_equal(table.to_numpy(), by_hand(videos))
    assert list(table.index) == list(table.columns) == list(KEYS)


def test_shares_add_up(results_bank: Path) -> None:
    table = confusion(PLANTED, scored(results_bank, 3.0, 0))
    shares = error_shares(table)
    np.testing.assert_allclose(shares[["found", "missed", "mistaken"]].sum(axis=1), 1)
    assert shares.loc["fighting", "found"] == table.loc["fighting", "fighting"] / table.loc["fighting"].sum()
    assert shares.loc["fighting", "missed"] == table.loc["fighting", "normal"] / table.loc["fighting"].sum()
    assert shares.loc["normal", "missed"] == 0
    assert error_shares(confusion(PLANTED, scored(results_bank, 9.0, 0)))["found"].mean() > shares["found"].mean()


def test_class_figures_are_means_over_runs(results: Path) -> None:
    frame = collect([results]).frame
    runs = frame[frame["model.acp"] == "none"]["identity"].unique()
    found = class_figures(frame, list(runs), "ap", "combined")
    rows = frame[frame["identity"].isin(runs) & (frame["class"] == "riot") & (frame["score"] == "combined")]
    assert len(runs) == 3
    assert found["riot"] == pytest.approx(100 * rows[rows["metric"] == "ap"]["value"].astype(float).mean())
    assert set(found.index) == set(KEYS[1:])


def test_colours_of_two_confusions_compare(results_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr("mmvad.figures.mistakes.save", lambda figure, *_: saved.append(figure) or ())
    for skill in (0.5, 3.0):
        confusion_figure(tmp_path, confusion(PLANTED, scored(results_bank, skill, 0)), PLANTED, "ACP")
    assert [figure.axes[0].images[0].get_clim() for figure in saved] == [(0, 100)] * 2


def test_the_figure_leaves_out_what_has_no_frame(results_bank: Path, tmp_path: Path) -> None:
    picture = confusion_figure(tmp_path, confusion(PLANTED, scored(results_bank, 1.0, 0)[:2]), PLANTED, "ACP")
    assert picture.files
    untrained = confusion_figure(tmp_path, confusion(PLANTED, scored(results_bank, 1.0, 0, fine=False)), PLANTED, "ACP")
    assert "loss.fine=on" in str(untrained.missing)
