from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from mmvad.benchmarks.timeline import frame_truth
from mmvad.errors import UserError
from mmvad.metrics.frame import (
    average_precision,
    precision_recall_points,
    rank,
    roc_auc,
    roc_points,
    snippet_positives,
    trapezoid_precision,
)
from tests.plain import metrics as plain

INTERVALS = st.lists(st.tuples(st.integers(-20, 150), st.integers(-20, 150)), max_size=4)
# Few distinct values, so that most examples have ties, some nothing else.
TIED = st.sampled_from([0.0, 0.25, 0.5, 0.5000001, 1.0])
SCORES = st.lists(TIED | st.floats(0, 1, width=32), min_size=1, max_size=8)


@given(INTERVALS, st.integers(0, 8))
@settings(deadline=None)
def test_snippet_positives_are_the_frame_truth_counted(intervals: list[tuple[int, int]], snippets: int) -> None:
    expected = frame_truth(intervals, 16 * snippets).reshape(-1, 16).sum(axis=1)
    assert snippet_positives(intervals, snippets).tolist() == expected.tolist()


@given(SCORES, INTERVALS)
@settings(max_examples=200, deadline=None)
def test_figures_are_those_of_written_out_frames(scores: list[float], intervals: list[tuple[int, int]]) -> None:
    truth = frame_truth(intervals, 16 * len(scores))
    curve = rank(np.array(scores), snippet_positives(intervals, len(scores))).curve()
    ap, auc = average_precision(curve), roc_auc(curve)
    if truth.all() or not truth.any():
        assert ap.value is None
        assert auc.value is None
        return
    frames = plain.frames_of(scores)
    assert ap.value == pytest.approx(average_precision_score(truth, frames), abs=1e-9)
    assert auc.value == pytest.approx(roc_auc_score(truth, frames), abs=1e-9)
    assert ap.value == pytest.approx(plain.average_precision(frames, truth.tolist()), abs=1e-9)
    assert auc.value == pytest.approx(plain.roc_auc(frames, truth.tolist()), abs=1e-9)


@given(SCORES, INTERVALS)
@settings(max_examples=100, deadline=None)
def test_trapezoids_are_scikit_learns(scores: list[float], intervals: list[tuple[int, int]]) -> None:
    truth = frame_truth(intervals, 16 * len(scores))
    found = trapezoid_precision(rank(np.array(scores), snippet_positives(intervals, len(scores))).curve())
    if truth.all() or not truth.any():
        assert found.value is None
        return
    precision, recall, _ = precision_recall_curve(truth, plain.frames_of(scores))
    assert found.value == pytest.approx(auc(recall, precision), abs=1e-9)


@given(
    st.lists(st.tuples(TIED, st.integers(0, 16), st.booleans()), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_subset_of_a_ranking_is_the_ranking_of_the_subset(items: list[tuple[float, int, bool]], random: Random) -> None:
    random.shuffle(items)
    scores, positives, keep = (np.array(column) for column in zip(*items))
    ours = rank(scores, positives).curve(keep)
    alone = rank(scores[keep], positives[keep]).curve()
    for name in ("thresholds", "hits", "false_alarms"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(alone, name))


def test_equal_scores_give_the_base_rate_and_one_half() -> None:
    curve = rank(np.full(5, 0.3), np.array([16, 4, 0, 0, 0])).curve()
    assert average_precision(curve).value == pytest.approx(20 / 80, abs=1e-15)
    assert roc_auc(curve).value == 0.5


def test_perfect_and_reversed_order() -> None:
    positives = np.array([16, 16, 0, 0])
    best, worst = rank(np.array([4, 3, 2, 1]), positives).curve(), rank(np.array([1, 2, 3, 4]), positives).curve()
    assert (average_precision(best).value, roc_auc(best).value) == (1.0, 1.0)
    assert roc_auc(worst).value == 0.0


@pytest.mark.parametrize(
    ("positives", "reason"), [([0, 0], "nothing is abnormal"), ([16, 16], "everything is abnormal"), ([], "nothing")]
)
def test_one_class_alone_is_none_with_its_reason(positives: list[int], reason: str) -> None:
    curve = rank(np.linspace(0, 1, len(positives)), np.array(positives)).curve()
    for figure in (average_precision(curve), roc_auc(curve)):
        assert figure.value is None
        assert reason in str(figure.reason)
    with pytest.raises(UserError, match=reason):
        precision_recall_points(curve)
    with pytest.raises(UserError, match=reason):
        roc_points(curve)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(UserError, match="1 of 3 values are NaN or infinite"):
        rank(np.array([0.1, bad, 0.2]), np.array([0, 16, 0]))


def test_shapes_and_counts_are_checked() -> None:
    with pytest.raises(ValueError, match="one shape"):
        rank(np.zeros(3), np.zeros(2, dtype=int))
    with pytest.raises(ValueError, match=r"0\.\.16"):
        rank(np.zeros(2), np.array([0, 17]))


def test_points_of_figures_enclose_the_figures() -> None:
    generator = np.random.default_rng(0)
    scores, positives = generator.random(200).round(2), generator.integers(0, 17, 200)
    curve = rank(scores, positives).curve()
    recall, precision = precision_recall_points(curve)
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(average_precision(curve).value, abs=1e-12)
    false_positive, true_positive = roc_points(curve)
    trapezoids = np.diff(false_positive) * (true_positive[1:] + true_positive[:-1]) / 2
    assert trapezoids.sum() == pytest.approx(roc_auc(curve).value, abs=1e-12)
    assert (false_positive[0], true_positive[0], false_positive[-1], true_positive[-1]) == (0, 0, 1, 1)
    truth = np.concatenate([np.arange(16) < count for count in positives])
    theirs_precision, theirs_recall, _ = precision_recall_curve(truth, np.repeat(scores, 16))
    np.testing.assert_allclose(precision, theirs_precision[::-1], atol=1e-12)
    np.testing.assert_allclose(recall, theirs_recall[::-1], atol=1e-12)
