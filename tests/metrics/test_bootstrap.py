"""Intervals: equal to the plain computation, deterministic, and they hold the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.metrics import bootstrap
from mmvad.metrics.bootstrap import interval, mean_interval, resampled_metric, video_weights
from mmvad.metrics.evaluate import frame_scores
from mmvad.metrics.frame import average_precision, rank, roc_auc, snippet_positives
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.tables.definitions import FRAME
from mmvad.tables.frame import collect
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths
from tests.tables.made_up import make_run, scored


def by_hand(videos: list[ScoredVideo], metric: str, weights: np.ndarray) -> list[float | None]:
    """Every resample written out: each video as often as it was drawn."""
    figures = []
    for row in weights.astype(int):
        drawn = [video for video, times in zip(videos, row) for _ in range(times)]
        positives = np.concatenate([snippet_positives(v.intervals, v.snippets) for v in drawn])
        curve = rank(frame_scores(drawn)["combined"], positives).curve()
        figures.append((average_precision if metric == "ap" else roc_auc)(curve).value)
    return figures


@pytest.mark.parametrize("metric", ["ap", "auc"])
def test_a_resample_is_the_metric_over_the_drawn_videos(results_bank: Path, metric: str) -> None:
    videos = scored(results_bank, 1.5, 3)
    weights = video_weights(len(videos), 40)
    assert (weights.sum(axis=1) == len(videos)).all()
    wanted = by_hand(videos, metric, weights)
    np.testing.assert_allclose(resampled_metric(videos, metric, weights), wanted, rtol=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["ap", "auc"])
def test_fewer_thresholds_change_little(results_bank: Path, metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = scored(results_bank, 1.5, 3)
    weights = video_weights(len(videos), 40)
    exact = resampled_metric(videos, metric, weights)  # type: ignore[arg-type]
    monkeypatch.setattr(bootstrap, "THRESHOLDS", 60)
    np.testing.assert_allclose(resampled_metric(videos, metric, weights), exact, atol=0.02)  # type: ignore[arg-type]


def test_ties_count_as_one_threshold() -> None:
    videos = [
        ScoredVideo("a", ("x",), (), ((0, 32),), np.array([0.9, 0.5, 0.5]), None),
        ScoredVideo("b", ("x",), (), (), np.array([0.5, 0.1]), None),
    ]
    weights = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    figures = resampled_metric(videos, "ap", weights)
    np.testing.assert_allclose(figures[:2], by_hand(videos, "ap", weights[:2]))
    assert np.isnan(figures[2])  # no abnormal frame was drawn


def test_the_interval_holds_the_truth_and_is_deterministic() -> None:
    draw = np.random.default_rng(5)
    inside = 0
    for trial in range(60):
        # Resampled means of 200 videos' differences, whose true mean is 0.1.
        videos = 0.1 + draw.normal(size=200)
        means = video_weights(200, 400, seed=trial) @ videos / 200
        low, high, deviation = interval({0: means}, {0: np.zeros(400)})
        assert (low, high, deviation) == interval({0: means}, {0: np.zeros(400)})
        inside += low <= 0.1 <= high
    assert 50 <= inside <= 60


def test_shared_seeds_are_drawn_together() -> None:
    draw = np.random.default_rng(0)
    base = {seed: draw.normal(scale=5) + np.zeros(500) for seed in range(4)}
    row = {seed: figures + 1 for seed, figures in base.items()}
    assert interval(row, base) == pytest.approx((1, 1, 0))
    low, high, _ = interval({seed + 10: figures for seed, figures in row.items()}, base)
    assert high - low > 2


def test_folds_are_drawn_apart(results_bank: Path, tmp_path: Path) -> None:
    """Folds of as many test videos hold other ones: the same draws would move all folds together."""
    make_run(tmp_path, results_bank)
    (record,) = Results(collect([tmp_path]).frame).records
    resampler = Resampler(Truths(), 40)
    whole, one, other = (
        resampler._of({**record, "data.fold": fold, "identity": fold}, FRAME["ap"]) for fold in ("", "a", "b")
    )
    videos = scored(results_bank, 2.0, 0)
    np.testing.assert_array_equal(whole, resampled_metric(videos, "ap", video_weights(len(videos), 40)))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.6
    assert abs(np.corrcoef(whole, one)[0, 1]) < 0.6


def test_too_few_videos_is_an_error() -> None:
    with pytest.raises(ValueError, match="too few test videos"):
        interval({0: np.full(10, np.nan)}, {0: np.zeros(10)})


def test_seeds_of_a_fold_share_its_test_set() -> None:
    """What folds differ by is not averaged away by more seeds: they are drawn before their seeds."""
    of_fold = np.random.default_rng(0).normal(size=5)
    once, thrice = (
        mean_interval({(str(fold), seed): np.full(4000, of_fold[fold]) for fold in range(5) for seed in range(seeds)})
        for seeds in (1, 3)
    )
    assert once.deviation == pytest.approx(of_fold.std() / np.sqrt(5), rel=0.05)
    assert thrice.deviation == pytest.approx(once.deviation, rel=0.05)
    uneven = mean_interval({("0", 0): np.zeros(4000), ("0", 1): np.zeros(4000), ("1", 0): np.ones(4000)})
    assert uneven.deviation == pytest.approx(np.sqrt(2 / 27), rel=0.05), "of three runs, one of which is 1"


def test_one_video_has_no_interval() -> None:
    """Every resample would be that video: an interval of no width."""
    with pytest.raises(ValueError, match="one test video"):
        video_weights(1, 10)
    assert video_weights(1, 0).shape == (0, 1)
