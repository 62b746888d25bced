"""Figures of one run on test sets that lack a kind of frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from mmvad.benchmarks.registry import PLANTED
from mmvad.figures.run_figures import FRAME_CURVES, draw_figures, draw_frame_curve, row_seconds
from mmvad.metrics.scored_video import ScoredVideo
from tests.tables.made_up import scored


@pytest.mark.parametrize("kind", FRAME_CURVES)
@pytest.mark.parametrize("intervals", [((0, 64),), ()])
def test_frames_of_one_kind_give_an_empty_figure(
    intervals: tuple[tuple[int, int], ...], kind: str, tmp_path: Path
) -> None:
    coarse = np.linspace(0.1, 0.9, 4, dtype=np.float32)
    video = ScoredVideo("v", ("Fight",), (), intervals, coarse, None)
    assert draw_frame_curve(tmp_path / "curve.png", [video], FRAME_CURVES[kind]).stat().st_size > 0


def test_a_note_stands_below_every_figure(results_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
    files = draw_figures(tmp_path, PLANTED, scored(results_bank, 1.0, 0), "chosen on the TEST set")
    assert [figure.get_supxlabel() for figure in saved] == ["chosen on the TEST set"] * len(files)
    assert len(files) == 10


def test_what_chance_has_is_named(results_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
    videos = scored(results_bank, 1.0, 0)
    for name, kind in FRAME_CURVES.items():
        draw_frame_curve(tmp_path / f"{name}.png", videos, kind)
    chance = [{line.get_label(): list(line.get_ydata()) for line in f.axes[0].get_lines()}["chance"] for f in saved]
    frames = sum(video.snippets for video in videos) * 16
    share = sum(end - start for video in videos for start, end in video.intervals) / frames
    assert chance == [[pytest.approx(share)] * 2, [0, 1]]


def test_a_video_of_its_own_frame_rate_lasts_its_own_time(results_bank: Path) -> None:
    video = scored(results_bank, 2.0, 0)[0]
    usual, own = row_seconds(PLANTED, video), row_seconds(PLANTED, replace(video, fps=48.0))
    np.testing.assert_allclose(usual, video.frame_edges / 24)
    np.testing.assert_allclose(own, usual / 2)
