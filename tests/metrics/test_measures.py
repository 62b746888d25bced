"""Measures of use against loops over frames, their resamples against videos drawn by hand, and what must hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from mmvad.metrics.bootstrap import video_weights
from mmvad.metrics.calibration import BINS
from mmvad.metrics.judged import judged_scores
from mmvad.metrics.measures import MEASURES, allowed_alarms, measures
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.metrics.video_level import bag_size
from tests.metrics.field import field_benchmark, field_videos
from tests.metrics.scored import BENCHMARK, plain, random_videos
from tests.metrics.test_evaluate import BENCHMARK as FOUR
from tests.metrics.test_evaluate import made_video
from tests.plain import measures as loops


def figures(videos: list[ScoredVideo], threshold: float | None = None) -> dict[str, float | None]:
    held_out = None if threshold is None else {"combined": threshold}
    return measures(BENCHMARK, videos, held_out)["combined"]


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_loops_over_frames(seed: int) -> None:
    videos = random_videos(seed)
    frames, found = plain(videos), figures(videos, 0.35)
    for limit in (1, 10):
        share, delay = loops.best_point(frames, limit)
        assert found[f"found_at_{limit}"] == pytest.approx(share, abs=1e-9)
        assert found[f"delay_at_{limit}"] == (None if delay is None else pytest.approx(delay, abs=1e-9))
    assert found["event_f1"] == pytest.approx(loops.event_f1(frames, 0.5), abs=1e-9)
    assert found["event_f1_held_out"] == pytest.approx(loops.event_f1(frames, 0.35), abs=1e-9)
    assert found["event_ap"] == pytest.approx(loops.event_ap(frames), abs=1e-9)
    assert found["latency_ap"] == pytest.approx(loops.latency_ap(frames), abs=1e-9)
    assert (found["ece"], found["brier"]) == pytest.approx(loops.calibration(frames, BINS), abs=1e-9)
    normal = [score for video in frames if video.normal for score in video.scores]
    assert found["false_alarm_rate"] == pytest.approx(np.mean(np.array(normal) >= 0.5), abs=1e-9)
    assert found["false_alarm_rate_held_out"] == pytest.approx(np.mean(np.array(normal) >= 0.35), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_figures_of_videos_are_scikit_learns(seed: int) -> None:
    videos = random_videos(seed, videos=14)
    found = figures(videos)
    bags = [np.sort(v.coarse)[-bag_size(v.snippets) :].mean() for v in videos]
    abnormal = [v.labels == ("A",) for v in videos]
    assert found["video_auc"] == pytest.approx(roc_auc_score(abnormal, bags), abs=1e-9)
    assert found["video_ap"] == pytest.approx(average_precision_score(abnormal, bags), abs=1e-9)
    own = [roc_auc_score(v.truth, v.scores) for v in plain(videos) if 0 < sum(v.truth) < len(v.truth)]
    assert found["macro_auc"] == pytest.approx(np.mean(own), abs=1e-9)


def drawn(videos: list[ScoredVideo], weights: np.ndarray) -> list[ScoredVideo]:
    return [replace(v, name=f"{v.name}-{i}") for v, times in zip(videos, weights.astype(int)) for i in range(times)]


def test_a_resample_is_the_measure_over_the_drawn_videos() -> None:
    """With few thresholds all of them are on the grid, so both are exact."""
    videos = random_videos(3, videos=10)
    judged = judged_scores(BENCHMARK, videos, {"combined": 0.35})["combined"]
    weights = video_weights(len(videos), 12)
    by_hand = [judged_scores(BENCHMARK, drawn(videos, row), {"combined": 0.35})["combined"] for row in weights]
    for measure in MEASURES:
        wanted = [measure.of(each, None)[0] for each in by_hand]
        np.testing.assert_allclose(measure.of(judged, weights), wanted, rtol=0, atol=1e-9, err_msg=measure.name)


def test_classes_are_judged_by_their_own_probability_and_events() -> None:
    """Against the binary measures of test sets that hold one class's events alone."""
    videos = [made_video(i) for i in range(10)]
    found, by_hand = measures(FOUR, videos)["fine"], []
    for column, key in enumerate(FOUR.class_keys):
        spans = [tuple((e.start, e.end) for e in v.events if e.label == key) for v in videos]
        own = [
            replace(v, intervals=s, coarse=np.asarray(v.class_probabilities)[:, column], class_probabilities=None)
            for v, s in zip(videos, spans)
        ]
        by_hand += [measures(FOUR, own)["combined"]] if any(spans) else []
    assert len(by_hand) == 2  # of three abnormal classes one has no event
    for name in ("event_ap", "event_f1"):
        assert found[f"class_{name}"] == pytest.approx(np.mean([figures[name] for figures in by_hand]), abs=1e-9)
    combined = measures(FOUR, videos)["combined"]
    assert combined["class_event_ap"] is None
    assert combined["reasons"]["class_event_ap"].startswith("of the fine score alone")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10), st.floats(-2, 2))
def test_only_the_order_of_scores_counts_where_no_threshold_is_said(seed: int, scale: float, shift: float) -> None:
    videos = random_videos(seed, videos=4, rows=10)
    moved = [replace(v, coarse=np.asarray(v.coarse) * scale + shift) for v in videos]
    before, after = figures(videos), figures(moved)
    for name in ("macro_auc", "video_auc", "video_ap", "found_at_1", "found_at_10", "event_ap", "latency_ap"):
        assert after[name] == (None if before[name] is None else pytest.approx(before[name], abs=1e-9))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(0, 11), st.floats(0.01, 1), st.floats(0.01, 1))
def test_later_scores_never_raise_the_latency_aware_ap(length: int, late: int, first: float, second: float) -> None:
    """Of detectors that are silent outside of the event before they are shifted."""

    def shifted(by: int) -> float:
        rows = np.zeros(40)
        rows[10 + by : 10 + by + length] = np.linspace(first, second, length)
        other = ScoredVideo("n", ("N",), (), (), np.zeros(9), None)
        return figures([ScoredVideo("a", ("A",), (), ((160, 352),), rows, None), other])["latency_ap"] or 0.0

    assert shifted(late + 1) <= shifted(0) + 1e-12


def test_calibration_of_perfect_probabilities_is_0() -> None:
    truth = np.array([0.0, 1.0, 0.0, 0.0])
    perfect = [
        ScoredVideo("a", ("A",), (), ((16, 32),), truth, None),
        ScoredVideo("n", ("N",), (), (), truth * 0, None),
    ]
    found = figures(perfect)
    assert (found["ece"], found["brier"]) == (0.0, 0.0)
    assert (found["latency_ap"], found["event_ap"], found["found_at_1"], found["delay_at_1"]) == (1, 1, 1, 0)
    half = [replace(perfect[0], coarse=np.full(4, 0.25)), perfect[1]]
    assert figures(half)["ece"] == pytest.approx(0.0)


def test_what_cannot_be_said_has_a_reason() -> None:
    normal = figures([v for v in random_videos(0) if v.labels == ("N",)])
    assert (normal["event_ap"], normal["reasons"]["event_ap"]) == (None, "no event in the test set")  # type: ignore[index]
    assert normal["reasons"]["false_alarm_rate_held_out"].startswith("no threshold")  # type: ignore[index]
    logits = [replace(v, coarse=np.asarray(v.coarse) * 9) for v in random_videos(0)]
    assert figures(logits)["reasons"]["ece"] == "scores are no probabilities"  # type: ignore[index]
    whole = measures(BENCHMARK, random_videos(0))
    assert whole["fine"]["reasons"]["brier"].startswith("the fine branch was not trained")
    json.dumps(whole, allow_nan=False)


def test_resamples_of_a_real_test_set_lie_around_its_figures(field_data: Path) -> None:
    """Resamples look at fewer thresholds than the figures do. docs/MEASURES.md has the time of a whole test set."""
    videos = list(field_videos(field_data, "xd", 10))
    judged = judged_scores(field_benchmark(field_data, "xd"), videos, {"fine": 0.5})["fine"]
    weights = video_weights(len(videos), 100)
    for measure in MEASURES:
        resampled = measure.of(judged, weights)
        low, high = np.quantile(resampled, (0.0, 1.0))
        assert low - 0.02 <= (measure.value(judged) or 0) <= high + 0.02, measure.name


def test_what_is_missing_for_want_of_an_event_says_so() -> None:
    videos = [replace(v, events=(), intervals=()) for v in random_videos(0)]
    reasons = figures(videos)["reasons"]
    for name in ("found_at_1", "delay_at_10", "event_f1_held_out", "event_ap", "latency_ap"):
        assert reasons[name] == "no event in the test set"  # type: ignore[index]


def test_short_test_sets_allow_no_false_alarm_an_hour() -> None:
    videos = random_videos(0)
    seconds = sum(v.frame_edges[-1] / (v.fps or BENCHMARK.frames_per_second) for v in videos)
    assert figures(videos)["test_hours"] == pytest.approx(seconds / 3600)
    assert allowed_alarms([0.4]) == "0.40 hours of test videos: false alarms allowed at 1/h 0, at 10/h 4"
    assert allowed_alarms([2.0, 0.1]).startswith("0.10 to 2.00 hours of test videos: false alarms allowed at 1/h 0")
