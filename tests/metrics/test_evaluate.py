from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mmvad.benchmarks.benchmark import Benchmark, Event
from mmvad.benchmarks.timeline import frame_truth
from mmvad.errors import UserError
from mmvad.metrics.evaluate import SCORES, evaluate, frame_scores
from mmvad.metrics.scored_video import ScoredVideo
from tests.metrics.field import field_benchmark, field_videos, reference, tiny_benchmark

KEYS = ("N", "A", "B", "C")
BENCHMARK = tiny_benchmark(KEYS, normal_events=True)
THRESHOLDS = ["0.1", "0.2", "0.3", "0.4", "0.5", "mean"]


def made_video(
    position: int, classes: int = 4, snippets: int = 30, labels: tuple[str, ...] | None = None
) -> ScoredVideo:
    generator = np.random.default_rng(position)
    labels = labels or [("N",), ("A",), ("B", "A"), ("N",), ("B",)][position % 5]
    events = tuple(Event(key, 40 + 100 * i, 120 + 130 * i) for i, key in enumerate(labels) if key != "N")
    rows = generator.dirichlet(np.ones(classes), snippets).astype(np.float32)
    # Coarse steps: ties within and between videos.
    coarse = generator.integers(0, 9, snippets).astype(np.float32) / 8
    return ScoredVideo(f"v{position:04d}", labels, events, tuple((e.start, e.end) for e in events), coarse, rows)


@pytest.fixture
def videos() -> list[ScoredVideo]:
    return [made_video(position) for position in range(10)]


def written_out(videos: list[ScoredVideo]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    truth = np.concatenate([frame_truth(v.intervals, 16 * v.snippets) for v in videos])
    return truth, {name: np.repeat(scores, 16) for name, scores in frame_scores(videos).items()}


def test_frame_figures_are_those_of_written_out_frames(videos: list[ScoredVideo]) -> None:
    result = evaluate(BENCHMARK, videos)
    truth, scores = written_out(videos)
    abnormal_truth, abnormal_scores = written_out([v for v in videos if v.labels != ("N",)])
    class_truth, class_scores = written_out([v for v in videos if "A" in v.labels or v.labels == ("N",)])
    for name in SCORES:
        found = result["scores"][name]
        assert found["ap"] == pytest.approx(average_precision_score(truth, scores[name]), abs=1e-9)
        assert found["auc"] == pytest.approx(roc_auc_score(truth, scores[name]), abs=1e-9)
        assert found["ano_auc"] == pytest.approx(roc_auc_score(abnormal_truth, abnormal_scores[name]), abs=1e-9)
        of_class = found["classes"]["A"]
        assert of_class["videos"] == 4
        assert of_class["ap"] == pytest.approx(average_precision_score(class_truth, class_scores[name]), abs=1e-9)
        assert of_class["auc"] == pytest.approx(roc_auc_score(class_truth, class_scores[name]), abs=1e-9)


def test_counts_and_shape_of_the_result(videos: list[ScoredVideo]) -> None:
    result = evaluate(BENCHMARK, videos)
    assert (result["videos"], result["abnormal_videos"], result["snippets"], result["frames"]) == (10, 6, 300, 4800)
    assert result["abnormal_frames"] == sum(int(frame_truth(v.intervals, 16 * v.snippets).sum()) for v in videos)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert [*result["map"]["published"]] == [*THRESHOLDS, "reasons", "classes"]
    assert [*result["map"]["published"]["classes"]] == list(KEYS)
    assert [*result["map"]["clean"]["classes"]] == list(KEYS[1:])
    mean = np.mean([result["map"]["clean"][threshold] for threshold in THRESHOLDS[:5]])
    assert result["map"]["clean"]["mean"] == pytest.approx(mean, abs=1e-12)


def test_scores_of_the_branches() -> None:
    video = replace(
        made_video(1, snippets=2),
        coarse=np.array([0.2, 0.9], dtype=np.float32),
        class_probabilities=np.array([[0.25, 0.25, 0.5, 0.0], [0.75, 0.25, 0.0, 0.0]], dtype=np.float32),
    )
    scores = frame_scores([video])
    assert scores["fine"].tolist() == [0.75, 0.25]
    assert scores["combined"].tolist() == [0.75, float(np.float32(0.9))]
    assert all(values.dtype == np.float64 for values in scores.values())


@pytest.mark.parametrize(("kept", "dropped"), [("coarse", "fine"), ("fine", "coarse")])
def test_one_branch_alone_is_the_combined_score(videos: list[ScoredVideo], kept: str, dropped: str) -> None:
    missing: dict[str, Any] = {"class_probabilities" if dropped == "fine" else "coarse": None}
    result = evaluate(BENCHMARK, [replace(v, **missing) for v in videos])
    assert result["scores"]["combined"] == result["scores"][kept]
    assert result["scores"][dropped]["ap"] is None
    assert (
        result["scores"][dropped]["reasons"]["ano_auc"]
        == f"the {dropped} branch was not trained, or the method has none"
    )
    if dropped == "fine":
        assert all(result["map"]["clean"][threshold] is None for threshold in THRESHOLDS)
        assert "not trained" in result["map"]["published"]["reasons"]["mean"]


def test_class_without_videos_or_events_has_a_reason(videos: list[ScoredVideo]) -> None:
    result = evaluate(BENCHMARK, videos)
    absent = result["scores"]["combined"]["classes"]["C"]
    assert (absent["videos"], absent["ap"], absent["auc"]) == (0, None, None)
    assert absent["reasons"]["ap"] == "no test video of this class"
    assert result["map"]["clean"]["classes"]["C"]["mean"] is None
    assert result["map"]["published"]["classes"]["C"]["mean"] == 0.0


def test_normal_videos_alone_have_no_figures() -> None:
    result = evaluate(BENCHMARK, [made_video(0), made_video(3)])
    combined = result["scores"]["combined"]
    assert combined["ap"] is combined["auc"] is combined["ano_auc"] is None
    assert combined["reasons"] == {
        "ap": "no positives: nothing is abnormal",
        "auc": "no positives: nothing is abnormal",
        "ano_auc": "nothing to score",
        "ano_ap": "nothing to score",
    }


def test_order_of_videos_changes_nothing(videos: list[ScoredVideo]) -> None:
    before = evaluate(BENCHMARK, videos)
    for seed in range(5):
        shuffled = [videos[position] for position in np.random.default_rng(seed).permutation(len(videos))]
        assert evaluate(BENCHMARK, shuffled) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("X",)}, "unknown class 'X'"),
        ({"labels": ("N", "A")}, "alone, or abnormal classes"),
        ({"labels": ()}, "labels"),
        ({"events": (Event("X", 0, 5),)}, "unknown class 'X'"),
        ({"coarse": np.full(30, np.nan, dtype=np.float32)}, "30 of 30 values are NaN"),
        ({"class_probabilities": np.full((30, 4), np.inf, dtype=np.float32)}, "NaN or infinite"),
        ({"coarse": np.zeros(29, dtype=np.float32)}, "class_probabilities has shape"),
        ({"class_probabilities": np.zeros((30, 3), dtype=np.float32)}, r"\[30, 4\]"),
        ({"coarse": None}, "all 10 videos with it, or none"),
        ({"coarse": None, "class_probabilities": None}, "has no scores"),
        ({"name": "v0000"}, "twice"),
    ],
)
def test_bad_inputs_name_the_video(videos: list[ScoredVideo], change: dict[str, Any], message: str) -> None:
    videos[4] = replace(videos[4], **change)
    with pytest.raises(UserError, match=message) as raised:
        evaluate(BENCHMARK, videos)
    assert videos[4].name in str(raised.value)


def test_no_videos_is_an_error() -> None:
    with pytest.raises(UserError, match="there are none"):
        evaluate(BENCHMARK, [])


@pytest.mark.parametrize(("dataset", "key"), [("ucf", "ucf-0"), ("xd", "xd-0")])
def test_reference_figures(field_data: Path, dataset: str, key: str) -> None:
    expected = reference(field_data, key)
    videos = list(field_videos(field_data, dataset, expected["stride"]))
    result = evaluate(field_benchmark(field_data, dataset), videos)
    assert result["frames"] == expected["frames"]
    for name in ("ap", "auc", "ano_auc"):
        assert result["scores"]["fine"][name] == pytest.approx(expected[name], abs=1e-9)
    published = [100 * result["map"]["published"][threshold] for threshold in THRESHOLDS]
    assert published == pytest.approx([*expected["map_published"], np.mean(expected["map_published"])], abs=1e-9)


def test_size_of_the_largest_benchmark_takes_under_two_seconds() -> None:
    keys = ("A", "B1", "B2", "B4", "B5", "B6", "G")
    benchmark: Benchmark = tiny_benchmark(keys, normal_events=True)
    label = [("A",) if position % 8 < 3 else (keys[1 + position % 6],) for position in range(800)]
    videos = [made_video(position, classes=7, snippets=182, labels=label[position]) for position in range(800)]
    videos = [replace(v, events=() if v.labels == ("A",) else v.events) for v in videos]
    videos = [replace(v, intervals=tuple((e.start, e.end) for e in v.events)) for v in videos]
    begin = time.process_time()
    result = evaluate(benchmark, videos)
    assert time.process_time() - begin < 2.0
    assert result["frames"] == 800 * 182 * 16


def by_frame(video: ScoredVideo) -> ScoredVideo:
    """The same scores, a row a frame."""
    parts = {name: np.repeat(getattr(video, name), 16, axis=0) for name in ("coarse", "class_probabilities")}
    return replace(video, **parts, edges=np.arange(16 * video.snippets + 1))


def leaves(tree: dict[str, Any], name: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= leaves(value, f"{name}/{key}") if isinstance(value, dict) else {f"{name}/{key}": value}
    return found


def test_a_score_a_frame_has_the_figures_of_a_score_a_snippet(videos: list[ScoredVideo]) -> None:
    by_snippet, by_frames = (leaves(evaluate(BENCHMARK, made)) for made in (videos, [by_frame(v) for v in videos]))
    assert (by_snippet.pop("/snippets"), by_frames.pop("/snippets")) == (300, 4800)
    assert by_frames == pytest.approx(by_snippet, abs=1e-12)


def test_rows_of_any_length_are_scored_on_their_frames() -> None:
    """Rows of 5, 1, 40 and 2 frames; the last one is cut by the end of the video."""
    edges, coarse = np.array([0, 5, 6, 46, 48]), np.array([0.5, 0.1, 0.9, 0.5], dtype=np.float32)
    video = ScoredVideo("v", ("A",), (), ((3, 30), (47, 90)), coarse, None, edges=edges)
    result = evaluate(BENCHMARK, [video])
    truth = np.zeros(48, dtype=bool)
    truth[3:30] = truth[47:] = True
    assert (result["frames"], result["abnormal_frames"]) == (48, truth.sum())
    expected = average_precision_score(truth, np.repeat(coarse, np.diff(edges)))
    assert result["scores"]["combined"]["ap"] == pytest.approx(expected, abs=1e-12)


def test_a_score_of_its_own_is_not_raised_by_the_classes() -> None:
    """A method from elsewhere says itself how it ranks frames: 1 - p(normal) is a score beside it."""
    videos = [replace(made_video(i), combined=np.linspace(0, 1, 30), coarse=None) for i in range(10)]
    result = evaluate(BENCHMARK, videos)
    truth, scores = written_out(videos)
    assert scores["combined"].tolist() == np.repeat(np.linspace(0, 1, 30), 16).tolist() * 10
    assert result["scores"]["combined"]["auc"] == pytest.approx(roc_auc_score(truth, scores["combined"]), abs=1e-9)
    assert result["scores"]["fine"]["auc"] == pytest.approx(roc_auc_score(truth, scores["fine"]), abs=1e-9)
    assert result["scores"]["coarse"]["auc"] is None
