"""Figures are drawn where the runs allow it, and say what is missing where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.planted import PLANTED
from mmvad.report.curves import chosen_videos, context_prompt_figure, qualitative_figure
from mmvad.report.frame import collect
from mmvad.report.pictures import Picture
from mmvad.report.plots import lambda_figure, prompt_figure
from mmvad.report.resampling import Resampler
from mmvad.report.results import Results
from mmvad.report.scored import Truths
from mmvad.report.studies import tables_named
from mmvad.report.tables import fill
from tests.report.synthetic import make_run, scored


@pytest.fixture(scope="module")
def runs(results: Path) -> Results:
    return Results(collect([results]).frame)


def drawn(picture: Picture) -> bool:
    return [file.suffix for file in picture.files if file.stat().st_size > 1000] == [".png", ".svg"]


def test_all_figures_are_drawn(runs: Results, tmp_path: Path) -> None:
    prompts = fill(tables_named(["Fig5"])[0], "planted", runs, Resampler(Truths(), 0))
    pictures = [
        prompt_figure(tmp_path, prompts),
        lambda_figure(tmp_path, "planted", runs),
        context_prompt_figure(tmp_path, "planted", runs, Truths()),
        qualitative_figure(tmp_path, "planted", runs, Truths()),
    ]
    assert all(map(drawn, pictures))
    assert "seed 0" in pictures[2].caption


def test_equal_figures_are_equal_bytes(runs: Results, tmp_path: Path) -> None:
    first, second = (lambda_figure(tmp_path / name, "planted", runs).files for name in "ab")
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_what_is_missing_names_a_command(bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", bank)
    runs = Results(collect([tmp_path / "runs"]).frame)
    prompts = fill(tables_named(["Fig5"])[0], "planted", runs, Resampler(Truths(), 0))
    assert "make ablation-prompts" in str(prompt_figure(tmp_path, prompts).missing)
    assert "make ablation-lambdas" in str(lambda_figure(tmp_path, "planted", runs).missing)
    assert "make ablation-acp" in str(context_prompt_figure(tmp_path, "planted", runs, Truths()).missing)
    assert drawn(qualitative_figure(tmp_path, "planted", runs, Truths()))


def test_broken_scores_are_said(bank: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", bank)
    run.scores.write_bytes(b"no archive")
    runs = Results(collect([tmp_path / "runs"]).frame)
    assert "cannot be read" in str(qualitative_figure(tmp_path, "planted", runs, Truths()).missing)


def test_named_videos_come_first(bank: Path) -> None:
    videos = scored(bank, 1.0, 0)
    found, how = chosen_videos(PLANTED, videos, ["video003", "video01"])
    assert [video.name for video in found] == ["video003", *(f"video01{i}" for i in range(5))]
    assert how == "The first 6 of 11 test videos with these names."
    assert not chosen_videos(PLANTED, videos, ["video003"])[1]
    spread, how = chosen_videos(PLANTED, videos, ["nowhere"])
    assert len(spread) == 6
    assert "none of nowhere" in how
    assert np.all([video.snippets for video in spread])
