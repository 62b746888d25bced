"""Figures are drawn where the runs allow it, and say what is missing where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.registry import PLANTED
from mmvad.figures.pictures import Picture
from mmvad.report.curves import chosen_videos, context_prompt_figure, qualitative_figure
from mmvad.report.plots import lambda_figure, prompt_figure
from mmvad.tables.fill import fill
from mmvad.tables.frame import collect
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths
from mmvad.tables.studies import tables_named
from tests.tables.made_up import make_run, scored


@pytest.fixture(scope="module")
def runs(results: Path) -> Results:
    return Results(collect([results]).frame)


def drawn(picture: Picture) -> bool:
    return [file.suffix for file in picture.files if file.stat().st_size > 1000] == [".png", ".svg"]


def all_pictures(runs: Results, folder: Path) -> list[Picture]:
    prompts = fill(tables_named(["Fig5"], "planted")[0], runs, Resampler(Truths(), 0))
    return [
        prompt_figure(folder, prompts),
        lambda_figure(folder, "planted", runs),
        context_prompt_figure(folder, "planted", runs, Truths()),
        qualitative_figure(folder, "planted", runs, Truths()),
    ]


def test_all_figures_are_drawn(runs: Results, tmp_path: Path) -> None:
    pictures = all_pictures(runs, tmp_path)
    assert all(map(drawn, pictures))
    assert "seed 0" in pictures[2].caption


def test_equal_figures_are_equal_bytes(runs: Results, tmp_path: Path) -> None:
    first, second = (lambda_figure(tmp_path / name, "planted", runs).files for name in "ab")
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_what_is_missing_names_a_command(results_bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", results_bank)
    runs = Results(collect([tmp_path / "runs"]).frame)
    prompts = fill(tables_named(["Fig5"], "planted")[0], runs, Resampler(Truths(), 0))
    assert "mmvad sweep run prompts" in str(prompt_figure(tmp_path, prompts).missing)
    assert "mmvad sweep run lambda_grid" in str(lambda_figure(tmp_path, "planted", runs).missing)
    assert "mmvad sweep run acp" in str(context_prompt_figure(tmp_path, "planted", runs, Truths()).missing)
    assert drawn(qualitative_figure(tmp_path, "planted", runs, Truths()))


def test_captions_say_how_checkpoints_were_chosen_and_what_was_not_as_shipped(
    results_bank: Path, tmp_path: Path
) -> None:
    short = ["optim.epochs=3", "quirks.smoothing=next_7"]
    for changes in ([], ["model.acp=none"], ["model.prompt_half=7"]):
        make_run(tmp_path / "runs", results_bank, [*short, *changes, "select=best_test"])
    for first in ("0.1", "0.15"):
        for second in ("1e-4", "2e-4"):
            lambdas = [f"loss.lambda_contrast={first}", f"loss.lambda_embed={second}"]
            if lambdas != ["loss.lambda_contrast=0.15", "loss.lambda_embed=2e-4"]:
                make_run(tmp_path / "runs", results_bank, [*short, *lambdas, "select=best_test"])
    captions = [picture.caption for picture in all_pictures(Results(collect([tmp_path / "runs"]).frame), tmp_path)]
    on_test = "The checkpoint was chosen on the TEST set (select=best_test): "
    assert on_test + "M/2 = 4, M/2 = 7." in captions[0]
    assert on_test + "0.1 / 1e-4, 0.1 / 2e-4, 0.15 / 1e-4, 0.15 / 2e-4." in captions[1]
    assert on_test + "none (before), pre_post (after)." in captions[2]
    assert on_test + "V+A+T." in captions[3]
    for caption in captions:
        assert caption.endswith(
            "Settings other than those of experiments/planted.yaml: optim.epochs=3, quirks.smoothing=next_7."
        )


def test_a_single_seed_has_no_bar_of_no_length(
    results_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "runs", results_bank, ["model.prompt_half=7"])
    for seed in (0, 1):
        make_run(tmp_path / "runs", results_bank, seed=seed)
    runs, saved = Results(collect([tmp_path / "runs"]).frame), []
    monkeypatch.setattr("mmvad.report.plots.save", lambda figure, *_: saved.append(figure) or ())
    prompt_figure(tmp_path, fill(tables_named(["Fig5"], "planted")[0], runs, Resampler(Truths(), 0)))
    bars = saved[0].axes[0].collections[0].get_segments()
    assert [len(bar) for bar in bars] == [2, 0], "M/2 = 4 has two seeds, 7 has one"


def test_captions_say_over_how_many_seeds_means_are(runs: Results, results_bank: Path, tmp_path: Path) -> None:
    pictures = all_pictures(runs, tmp_path)
    assert "(n = 3)" in pictures[0].caption
    assert "(n = 3)" in pictures[1].caption
    assert not any("TEST set" in picture.caption or "ettings other" in picture.caption for picture in pictures)
    make_run(tmp_path / "runs", results_bank, ["model.prompt_half=7"])
    for seed in (0, 1):
        make_run(tmp_path / "runs", results_bank, seed=seed)
    assert "(n = 1 to 2)" in all_pictures(Results(collect([tmp_path / "runs"]).frame), tmp_path)[0].caption


def test_broken_scores_are_said(results_bank: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", results_bank)
    run.scores.write_bytes(b"no archive")
    runs = Results(collect([tmp_path / "runs"]).frame)
    assert "cannot be read" in str(qualitative_figure(tmp_path, "planted", runs, Truths()).missing)


def test_named_videos_come_first(results_bank: Path) -> None:
    videos = scored(results_bank, 1.0, 0)
    found, how = chosen_videos(PLANTED, videos, ["video003", "video01"])
    assert [video.name for video in found] == ["video003", *(f"video01{i}" for i in range(5))]
    assert how == "The first 6 of 11 test videos with these names."
    assert not chosen_videos(PLANTED, videos, ["video003"])[1]
    spread, how = chosen_videos(PLANTED, videos, ["nowhere"])
    assert len(spread) == 6
    assert "none of nowhere" in how
    assert np.all([video.snippets for video in spread])
