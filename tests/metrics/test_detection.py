from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmvad.benchmarks.benchmark import Event
from mmvad.errors import UserError
from mmvad.metrics.detection import IOU_THRESHOLDS, DetectionVideo, MeanAP, detection_map, video_runs
from tests.metrics.field import field_benchmark, field_videos, perfect, reference, tiny_benchmark
from tests.plain import metrics as plain

KEYS = ("N", "A", "B")


def values(result: MeanAP) -> list[float | None]:
    return [figure.value for figure in result.values]


def video(name: str, rows: Sequence[Sequence[float]] | np.ndarray, *events: tuple[str, int, int]) -> DetectionVideo:
    return DetectionVideo(name, not events, tuple(Event(*event) for event in events), np.array(rows, dtype=np.float64))


def flag(snippets: int, *on: int) -> np.ndarray:
    """Class A certain in some snippets, the normal class certain elsewhere, class B nowhere."""
    rows = np.tile([1.0, 0.0, 0.0], (snippets, 1))
    rows[list(on)] = [0.0, 1.0, 0.0]
    return rows


@st.composite
def small_test_sets(draw: st.DrawFn) -> list[DetectionVideo]:
    """Small videos on a coarse grid of probabilities (exact sums, many ties), events free to pass the ends."""
    result = []
    for position in range(draw(st.integers(1, 4))):
        snippets = draw(st.sampled_from([1, 2, 5, 16, 17, 35]))
        grid = draw(st.sampled_from([2, 8, 64]))
        seed = draw(st.integers(0, 2**16))
        rows = np.random.default_rng(seed).integers(0, grid + 1, (snippets, len(KEYS))) / grid
        spans = st.tuples(st.sampled_from([0, 1, 1, 2, 2]), st.integers(-8, 16 * snippets + 8), st.integers(1, 200))
        events = [(c, s, s + length) for c, s, length in draw(st.lists(spans, max_size=4))]
        normal = not events
        named = tuple(Event(KEYS[c], s, e) for c, s, e in events)
        result.append(DetectionVideo(f"video{position}", normal, named, rows))
    return result


def equal_runs_of_two_lengths() -> list[DetectionVideo]:
    """Scores 0.875 + 0.7 x 0.875 from the mean of two frames and of five."""
    rows = [[0.875, 0.625, 0.5], [0.25, 0.25, 0.0], [0.0, 0.0, 0.125], [0.875, 0.625, 1.0], [0.5, 0.625, 1.0]]
    return [video("video0", rows[:2]), video("video1", rows), *(video(f"video{i}", [[1, 0.5, 0.5]]) for i in (2, 3))]


@given(small_test_sets(), st.booleans())
@example(equal_runs_of_two_lengths(), True)
@settings(max_examples=150, deadline=None)
def test_interval_arithmetic_equals_sets_of_frames(videos: list[DetectionVideo], normal_events: bool) -> None:
    ours = detection_map(tiny_benchmark(KEYS, normal_events), videos)
    rows, normal = [v.probabilities for v in videos], [v.normal for v in videos]
    events = [[(KEYS.index(e.label), e.start, e.end) for e in v.events] for v in videos]
    for position, threshold in enumerate(IOU_THRESHOLDS):
        published = plain.published_map(rows, normal, events, normal_events, threshold)
        assert values(ours["published"])[position] == pytest.approx(published, abs=1e-9)
        clean = plain.clean_map(rows, normal, events, threshold)
        found = values(ours["clean"])[position]
        assert found is None if clean is None else found == pytest.approx(clean, abs=1e-9)


@given(small_test_sets(), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_order_of_videos_changes_nothing(videos: list[DetectionVideo], random: Random) -> None:
    benchmark = tiny_benchmark(KEYS, normal_events=True)
    before = detection_map(benchmark, videos)
    random.shuffle(videos)
    assert detection_map(benchmark, videos) == before


def test_a_run_of_one_frame_is_dropped() -> None:
    """Only where every frame has a row of its own can a run be that short."""
    rows = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    edges = np.arange(5)
    assert plain.runs_of([0.0] * 14 + rows[:, 1].tolist()) == [(1.7, {16, 17})]
    label, start, end, score = video_runs(np.concatenate([np.zeros((14, 3)), rows]), np.arange(19))
    kept = label == 1
    assert (start[kept].tolist(), end[kept].tolist(), score[kept].tolist()) == ([16], [18], [1.7])
    assert video_runs(rows, edges)[1].tolist() == [2]
    assert video_runs(rows, edges * 16)[1].tolist() == [1, 0, 2], "a row of 16 frames is long enough"


def test_run_lies_strictly_above_the_relative_threshold() -> None:
    # 1 - 0.6 (1 - 0) = 0.4 is not above itself; a constant class makes no run at all.
    label, start, end, score = video_runs(np.array([[0.0, 0.5], [0.4, 0.5], [0.75, 0.5], [1.0, 0.5]]))
    assert (label.tolist(), start.tolist(), end.tolist()) == ([0], [2], [4])
    assert score.tolist() == pytest.approx([1.0 + 0.7 * 1.0])


def test_run_score_takes_the_highest_sixteenth_of_the_frames() -> None:
    rows = np.linspace(0, 1, 24)[:, None]
    highest = np.sort(np.repeat(rows[:, 0], 16))[::-1][:24]
    assert video_runs(rows)[3].tolist() == pytest.approx([1.0 + 0.7 * highest.mean()], abs=1e-12)


def test_an_event_is_found_once_and_each_run_takes_the_best() -> None:
    rows = flag(40, 2, 3, 10, 20)
    results = detection_map(tiny_benchmark(KEYS, False), [video("v", rows, ("A", 32, 64), ("A", 320, 336))])
    found = results["clean"].classes["A"]
    assert (found.events, found.runs) == (2, 3)
    assert found.ap[0].value == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_events_behind_the_features_are_cut_in_clean_alone() -> None:
    rows = flag(4, 2, 3)
    videos = [video("v", rows, ("A", 32, 32 + 80), ("B", 64, 90))]
    results = detection_map(tiny_benchmark(KEYS, False), videos)
    clean, published = results["clean"].classes, results["published"].classes
    assert [f.value for f in clean["A"].ap] == [1.0] * 5
    assert [f.value for f in published["A"].ap] == [1.0, 1.0, 1.0, 1.0, 0.0]  # 32 of 80 frames: IoU 0.4
    assert (clean["B"].events, published["B"].events) == (0, 1)
    assert "no event" in str(clean["B"].ap[0].reason)
    assert values(results["clean"]) == [1.0] * 5


def test_class_without_a_run_makes_the_published_figure_zero() -> None:
    results = detection_map(tiny_benchmark(KEYS, False), [video("v", flag(4, 1), ("A", 16, 32))])
    assert values(results["published"]) == [0.0] * 5
    assert "class B" in str(results["published"].values[0].reason)
    assert results["published"].classes["A"].ap[0].value == 1.0


def test_normal_videos_count_in_published_alone() -> None:
    loud = flag(6, 1)
    videos = [video("a", flag(6, 2), ("A", 32, 48)), video("b", loud)]
    results = detection_map(tiny_benchmark(KEYS, True), videos)
    assert (results["published"].classes["A"].runs, results["clean"].classes["A"].runs) == (2, 1)
    assert results["published"].classes["N"].events == 1
    assert "N" not in results["clean"].classes


def test_no_event_at_all_is_none_with_its_reason() -> None:
    results = detection_map(tiny_benchmark(KEYS, False), [video("v", flag(3, 1))])
    assert values(results["clean"]) == [None] * 5
    assert "no abnormal video has an event" in str(results["clean"].values[0].reason)


def test_bad_inputs_are_refused() -> None:
    benchmark = tiny_benchmark(KEYS, False)
    with pytest.raises(UserError, match="NaN"):
        detection_map(benchmark, [video("v", [[np.nan, 0, 1]])])
    with pytest.raises(UserError, match="unknown class"):
        detection_map(benchmark, [video("v", flag(3, 1), ("C", 0, 4))])
    with pytest.raises(ValueError, match="expected"):
        detection_map(benchmark, [video("v", [[0.5, 0.5]])])
    with pytest.raises(ValueError, match="no videos"):
        detection_map(benchmark, [])


@pytest.mark.parametrize(("dataset", "key"), [("ucf", "ucf-0"), ("xd", "xd-0")])
def test_published_figures_are_the_reference_number_for_number(field_data: Path, dataset: str, key: str) -> None:
    expected = reference(field_data, key)
    benchmark = field_benchmark(field_data, dataset)
    videos = [
        DetectionVideo(v.name, v.labels == (benchmark.normal,), v.events, v.class_probabilities)
        for v in field_videos(field_data, dataset, expected["stride"])
        if v.class_probabilities is not None
    ]
    found = [100 * value for value in values(detection_map(benchmark, videos)["published"]) if value is not None]
    assert found == pytest.approx(expected["map_published"], abs=1e-9)


@pytest.mark.parametrize("dataset", ["ucf", "xd"])
def test_perfect_detector(field_data: Path, dataset: str) -> None:
    benchmark = field_benchmark(field_data, dataset)
    videos = [
        DetectionVideo(v.name, v.labels == (benchmark.normal,), v.events, perfect(v, benchmark.class_keys))
        for v in field_videos(field_data, dataset, 1)
    ]
    results = detection_map(benchmark, videos)
    if dataset == "ucf":
        assert values(results["published"]) == pytest.approx([13 / 14] * 5, abs=1e-12)
        assert values(results["clean"]) == [1.0] * 5
    else:
        # A certain normal video is constant, so class A has no run there; overlapping events of a class share runs.
        assert all(0.78 < value < 0.86 for value in values(results["published"]) if value is not None)
        assert [f.value for f in results["published"].classes["A"].ap] == [0.0] * 5
