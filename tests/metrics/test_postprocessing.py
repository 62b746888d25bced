"""The switches for published quirks, against loops; and that each leaves its mark in the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmvad.config.load import load_config
from mmvad.metrics.postprocessing import averaged, block_mean, next_mean, smoothed
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.runs import RunFolder, read_json
from mmvad.training.checkpoints import BEST, LAST
from mmvad.training.retest import retest
from mmvad.training.train import train
from tests.small import write_bank


@given(st.integers(1, 40), st.booleans(), st.integers(0, 100))
def test_smoothing_against_a_loop(n: int, classes: bool, seed: int) -> None:
    scores = np.random.default_rng(seed).random((n, 3) if classes else n).astype(np.float32)
    following = [scores[t : t + 7].mean(axis=0) for t in range(n)]
    blocks = [scores[8 * (t // 8) : 8 * (t // 8) + 8].mean(axis=0) for t in range(n)]
    np.testing.assert_allclose(next_mean(scores), following, atol=1e-6)
    np.testing.assert_allclose(block_mean(scores), blocks, atol=1e-6)


def scored(name: str, coarse: list[float] | None, classes: np.ndarray | None = None) -> ScoredVideo:
    return ScoredVideo(name, ("normal",), (), (), None if coarse is None else np.array(coarse, np.float32), classes)


def test_crops_are_averaged_and_what_is_absent_stays_absent() -> None:
    one = [scored("a", [0.0, 1.0]), scored("b", None, np.full((1, 2), 0.5, np.float32))]
    two = [scored("a", [1.0, 1.0]), scored("b", None, np.array([[1.0, 0.0]], np.float32))]
    a, b = averaged([one, two])
    np.testing.assert_array_equal(a.coarse, [0.5, 1.0])
    np.testing.assert_array_equal(b.class_probabilities, [[0.75, 0.25]])
    assert a.class_probabilities is b.coarse is None
    assert averaged([one]) == one
    assert smoothed(one, "none") == one


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bank(tmp_path_factory.mktemp("quirks") / "bank")


def run(bank: Path, results: Path, *more: str) -> RunFolder:
    common = [f"data.bank={bank}", f"runtime.results={results}", "runtime.figures=off", "data.segment_length=8"]
    small = ["data.batch_size=6", "optim.epochs=3", "optim.learning_rate=0.01", "modalities=va"]
    return train(load_config([], [*common, *small, *more]))


@pytest.fixture(scope="module")
def plain(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run(bank, tmp_path_factory.mktemp("quirks") / "plain")


def coarse_of(folder: RunFolder) -> dict[str, np.ndarray]:
    with np.load(folder.scores, allow_pickle=False) as scores:
        return {name: scores[name] for name in scores.files}


def test_all_crops_are_the_mean_of_each_crop_tested_alone(bank: Path, plain: RunFolder, tmp_path: Path) -> None:
    other = coarse_of(run(bank, tmp_path, "data.test_crop=1"))
    folder = run(bank, tmp_path, "quirks.all_crops=on")
    for name, first in coarse_of(plain).items():
        np.testing.assert_allclose(coarse_of(folder)[name], (first + other[name]) / 2, atol=1e-6)
    assert read_json(folder.report)["config"]["quirks"]["all_crops"] is True
    assert not retest(folder.path, [], None).differing


def test_smoothed_and_trapezoid_runs_have_the_plain_runs_scores(bank: Path, plain: RunFolder, tmp_path: Path) -> None:
    folder = run(bank, tmp_path, "quirks.smoothing=blocks_8", "quirks.trapezoid_ap=on")
    for name, first in coarse_of(plain).items():
        np.testing.assert_allclose(coarse_of(folder)[name], block_mean(first), atol=1e-6)
    assert not retest(folder.path, [], None).differing


@pytest.mark.parametrize("quirk", ["all_crops=on", "smoothing=next_7", "trapezoid_ap=on"])
def test_the_best_epoch_is_best_in_what_is_reported(bank: Path, tmp_path: Path, quirk: str) -> None:
    """Under a quirk the checkpoint is chosen by the figure that the quirk makes."""
    folder = run(bank, tmp_path, "select=best_test", f"quirks.{quirk}", "data.test_crop=1", "optim.learning_rate=1e-3")
    figures = list(pd.read_csv(folder.epochs)["val/test_ap"])
    content = read_json(folder.report)
    assert content["scores"]["combined"]["ap"] == pytest.approx(max(figures), abs=1e-6)
    assert content["selected_epoch"] == figures.index(max(figures)) + 1
    assert not retest(folder.path, [], None).differing


def test_every_epoch_goes_on_from_the_best_weights(bank: Path, tmp_path: Path) -> None:
    """With a learning rate that ruins them, an epoch that is not the best leaves the best weights behind."""
    ruin = ["optim.learning_rate=3", "optim.schedule=constant", "select=best_test", "optim.epochs=6"]
    folder = run(bank, tmp_path, *ruin, "quirks.reload_best=on")
    best, last = (torch.load(folder.checkpoints / name, weights_only=True)["state_dict"] for name in (BEST, LAST))
    assert read_json(folder.report)["selected_epoch"] < 6
    assert all(torch.equal(best[name], last[name]) for name in best)
    kept = run(bank, tmp_path, *ruin)
    other = torch.load(kept.checkpoints / LAST, weights_only=True)["state_dict"]
    assert not all(torch.equal(best[name], other[name]) for name in best)
