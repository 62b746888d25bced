"""Detected events: the protocol's runs, in seconds, and which are shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.bank.index import BankVideo
from mmvad.benchmarks.benchmark import Event
from mmvad.benchmarks.registry import PLANTED
from mmvad.metrics.detection import video_runs
from mmvad.predict.events import ABNORMAL, detect_events, union_seconds
from mmvad.predict.truth import bank_truth


def probabilities(n: int, *events: tuple[int, int, int, float]) -> np.ndarray:
    """[n, 7], normal but for (class, start, end, probability)."""
    rows = np.full((n, 7), 0.01)
    for label, start, end, probability in events:
        rows[start:end, label] = probability
    rows[:, 0] = 1 - rows[:, 1:].sum(axis=1)
    return rows


def test_an_event_is_found_in_seconds() -> None:
    edges = np.cumsum([0, *np.random.default_rng(0).uniform(0.5, 0.8, size=30)])  # a variable frame rate
    found = detect_events(PLANTED, edges, np.zeros(30), probabilities(30, (6, 10, 16, 0.9)))
    assert [(e.label, e.start, e.end, e.peak) for e in found] == [("explosion", edges[10], edges[16], 0.9)]


def test_faint_runs_are_no_events_unless_asked_for() -> None:
    rows = probabilities(30, (6, 10, 16, 0.9), (2, 20, 25, 0.3))
    edges = np.arange(31.0)
    assert [e.label for e in detect_events(PLANTED, edges, np.zeros(30), rows)] == ["explosion"]
    every = detect_events(PLANTED, edges, np.zeros(30), rows, every_run=True)
    assert {e.label for e in every} == {"explosion", "shooting"}
    label, start, end, score = video_runs(rows)
    abnormal = label > 0
    assert sorted((e.start, e.end, e.score) for e in every) == sorted(
        zip(start[abnormal], end[abnormal], score[abnormal])
    )


def test_a_normal_video_has_none() -> None:
    assert detect_events(PLANTED, np.arange(41.0), np.zeros(40), probabilities(40)) == ()


def test_without_a_fine_stream_the_score_speaks() -> None:
    combined = np.array([0.1, 0.1, 0.9, 0.8, 0.1, 0.2])
    (event,) = detect_events(PLANTED, np.arange(7.0), combined, None)
    assert (event.label, event.start, event.end, event.peak) == (ABNORMAL, 2, 4, 0.9)
    assert detect_events(PLANTED, np.arange(7.0), combined / 2, None) == ()
    assert len(detect_events(PLANTED, np.arange(7.0), combined / 2, None, every_run=True)) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 20)).map(lambda p: (p[0], p[0] + p[1])), max_size=8))
def test_a_union_shades_the_same_seconds_once(spans: list[tuple[float, float]]) -> None:
    union = union_seconds(spans)
    assert all(before[1] < after[0] for before, after in zip(union, union[1:]))  # noqa: RUF007
    for second in np.linspace(0, 70, 300):
        assert any(a <= second <= b for a, b in spans) == any(a <= second <= b for a, b in union)


def test_annotated_frames_are_timed_as_the_files_own_are() -> None:
    """A benchmark of 24 frames a second and a file of 25; one that was made anew at another rate has other frames."""
    video = BankVideo("v", ("riot",), 100, (0,), 0, None, (Event("riot", 0, 1600), Event("riot", 800, 1624)), ())
    of_the_bank = bank_truth(video, PLANTED)
    assert [(e.start, e.end) for e in of_the_bank] == [(0, 1600 / 24), (800 / 24, 1624 / 24)]
    first, second = bank_truth(video, PLANTED, np.arange(101) * 16 / 25)
    assert (first.start, first.end, second.start) == pytest.approx((0, 64, 32))
    assert second.end == pytest.approx(64 + 1)
    assert bank_truth(video, PLANTED, np.arange(126) * 16 / 30) == of_the_bank
