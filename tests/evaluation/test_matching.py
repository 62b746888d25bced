"""Scores beside their truth: what a score is of, which videos there are, and which figures come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mmvad.benchmarks.benchmark import Event, Video
from mmvad.benchmarks.lists import read_videos
from mmvad.benchmarks.registry import UCF_CRIME, benchmark
from mmvad.errors import UserError
from mmvad.evaluation.foreign_scores import ForeignScores, VideoScores, read_scores
from mmvad.evaluation.matching import match
from mmvad.evaluation.truth import Length, Truth, read_lengths, truth_of_lists
from mmvad.metrics.evaluate import evaluate
from tests.evaluation.made import EVENTS, FRAMES, LENGTHS, ROWS, TINY, classes, scores, tiny_truth
from tests.metrics.field import field_videos, reference
from tests.own import change, write_own


def foreign(values: dict[str, np.ndarray], per: str | None = None) -> ForeignScores:
    return ForeignScores(Path("made.npz"), {name: VideoScores(combined=v) for name, v in values.items()}, per)  # type: ignore[arg-type]


@pytest.mark.parametrize("per_frame", [False, True])
@pytest.mark.parametrize("known", ["both", "frames", "rows"])
def test_row_or_frame_is_told_by_the_lengths(per_frame: bool, known: str) -> None:
    lengths = {
        name: Length(None if known == "rows" else n.frames, None if known == "frames" else n.rows)
        for name, n in LENGTHS.items()
    }
    matched = match(foreign(scores(per_frame)), tiny_truth(lengths))
    assert (matched.per, matched.reason) == ("frame" if per_frame else "row", "told by the videos' lengths")
    frames = sum(int(video.frame_edges[-1]) for video in matched.videos)
    assert frames == (sum(FRAMES.values()) if per_frame else 16 * sum(ROWS.values()))


@pytest.mark.parametrize("per_frame", [False, True])
def test_without_lengths_it_is_told_by_where_events_end(per_frame: bool) -> None:
    matched = match(foreign(scores(per_frame)), tiny_truth(None))
    assert (matched.per, matched.reason) == ("frame" if per_frame else "row", "told by where the events end")


def test_what_cannot_be_told_must_be_said() -> None:
    """Of two abnormal videos the scores of one reach its event, those of the other do not."""
    odd = {**scores(), "a_x264": np.zeros(95)}
    with_events = {name: odd[name] for name in ("a_x264", "c_x264")}
    ambiguous = Truth(TINY, _many(), frozenset(), "lists", "hash")
    values = {v.name: with_events["c_x264" if i % 3 else "a_x264"] for i, v in enumerate(ambiguous.videos)}
    with pytest.raises(UserError, match="a score a row or a score a frame") as refused:
        match(foreign(values), ambiguous)
    assert "--per row or --per frame" in str(refused.value)
    assert match(foreign(values), ambiguous, per="row").reason == "as --per says"
    assert match(foreign(values, "frame"), ambiguous).reason == "as the columns of made.npz say"


def _many() -> tuple:
    test = [
        Video(f"{i}", "test", ("A",), EVENTS["c_x264" if i % 3 else "a_x264"], ((100, 200) if i % 3 else (16, 90),))
        for i in range(9)
    ]
    return truth_of_lists(TINY, {"train": [], "test": test}, Path("lists"), None).videos


def test_scores_of_frames_have_the_figures_of_written_out_frames() -> None:
    values, truth = scores(per_frame=True), tiny_truth()
    result = evaluate(TINY, match(foreign(values), truth).videos)
    labels = []
    for name in values:
        marked = np.zeros(FRAMES[name], dtype=bool)
        for event in EVENTS.get(name, ()):
            marked[event.start : event.end] = True
        labels.append(marked)
    expected = roc_auc_score(np.concatenate(labels), np.concatenate([*values.values()]))
    assert result["frames"] == sum(FRAMES.values()), "frames of the file: none is cut off"
    assert result["scores"]["combined"]["auc"] == pytest.approx(expected, abs=1e-12)


def test_missing_videos_are_refused_or_said() -> None:
    values = scores()
    del values["b_x264"]
    with pytest.raises(UserError, match="no scores of 1 of 4 test videos: b_x264") as refused:
        match(foreign(values), tiny_truth())
    assert "--subset" in str(refused.value)
    matched = match(foreign(values), tiny_truth(), subset=True)
    assert matched.missing == ("b_x264",)
    assert matched.notes == ("3 of 4 test videos; without b_x264",)


def test_unknown_videos_are_one_finding_with_the_nearest_name() -> None:
    values = {**scores(), "a_x246": np.zeros(3), "t_x264": np.zeros(3)}
    with pytest.raises(UserError) as refused:
        match(foreign(values), tiny_truth(), subset=True)
    said = str(refused.value)
    assert "2 videos are not in the test split, 1 of them training videos: a_x246, t_x264" in said
    assert "did you mean: a_x264 for a_x246?" in said


def test_a_row_more_is_said_and_many_more_are_refused() -> None:
    values = {**scores(), "a_x264": np.zeros(7)}
    assert match(foreign(values), tiny_truth()).notes == (
        "1 of 4 videos have other rows than here, by one row at most (a_x264: 7, here 6)",
    )
    with pytest.raises(UserError, match="1 of 4 videos have another number of rows: a_x264 has 12"):
        match(foreign({**scores(), "a_x264": np.zeros(12)}), tiny_truth(), per="row")


def test_classes_without_a_score_rank_frames_by_the_normal_class() -> None:
    made = ForeignScores(Path("made.npz"), {name: VideoScores(classes=value) for name, value in classes().items()})
    result = evaluate(TINY, match(made, tiny_truth()).videos)
    assert result["scores"]["combined"] == result["scores"]["fine"]
    assert result["map"]["published"]["mean"] is not None


def test_real_scores_have_their_published_auc(field_data: Path) -> None:
    """PEL4VAD's own scores of 289 test videos, told to be a score a row with and without the videos' lengths."""
    lists = field_data / "data" / "ucf_crime"
    path = field_data / "real" / "ucf_scores.npz"
    if not path.is_file():
        pytest.skip("the real scores are not here")
    for lengths in (None, read_lengths(lists / "test_lengths.csv")):
        truth = truth_of_lists(UCF_CRIME, read_videos(UCF_CRIME, lists), lists, lengths)
        matched = match(read_scores(path, truth), truth, subset=True)
        result = evaluate(UCF_CRIME, matched.videos)
        assert (matched.per, matched.missing) == ("row", ("Normal_Videos_937_x264",))
        assert result["scores"]["combined"]["auc"] == pytest.approx(0.8674584, abs=1e-7)
        assert (result["frames"], result["abnormal_frames"]) == (1_108_544, 84_128)


def test_an_event_class_reaches_the_map() -> None:
    """Sure of the event's class on its frames alone: clean mAP is 1."""
    sure = {}
    for name, frames in FRAMES.items():
        rows = np.tile([1.0, 0.0, 0.0], (frames, 1))
        for event in EVENTS.get(name, ()):
            rows[event.start : event.end] = np.eye(3)["NAB".index(event.label)]
        sure[name] = VideoScores(classes=rows)
    result = evaluate(TINY, match(ForeignScores(Path("x.npz"), sure), tiny_truth()).videos)
    assert result["map"]["clean"]["mean"] == 1.0
    assert isinstance(EVENTS["a_x264"][0], Event)


@pytest.mark.parametrize("name", ["ucf_crime", "xd_violence"])
@pytest.mark.parametrize("frames", [1, 16])
def test_real_events_tell_rows_from_frames(name: str, frames: int, field_data: Path) -> None:
    """Some of XD-Violence's events end after their video."""
    facts, lists = benchmark(name), field_data / "data" / name
    truth = truth_of_lists(facts, read_videos(facts, lists), lists)
    rows = read_lengths(lists / "test_lengths.csv")
    values = {video.name: np.zeros(frames * (rows[video.name].rows or 0)) for video in truth.videos}
    matched = match(foreign(values), truth)
    assert (matched.per, matched.reason) == ({1: "row", 16: "frame"}[frames], "told by where the events end")


def class_figures(made: dict[str, np.ndarray], lists: Path, path: Path) -> tuple[str, dict]:
    np.savez(path, **made)  # type: ignore[arg-type]
    truth = truth_of_lists(UCF_CRIME, read_videos(UCF_CRIME, lists), lists)
    matched = match(read_scores(path, truth), truth, subset=True)
    return matched.per, evaluate(UCF_CRIME, matched.videos)


def test_class_probabilities_have_the_reference_figures(field_data: Path, tmp_path: Path) -> None:
    """All of UCF-Crime's test set: what the published protocol's own code gives, from a file of scores."""
    lists = field_data / "data" / "ucf_crime"
    made = {v.name: v.class_probabilities for v in field_videos(field_data, "ucf", 1)}
    per, result = class_figures(made, lists, tmp_path / "rows.npz")  # type: ignore[arg-type]
    expected = reference(field_data, "ucf-0")
    assert (per, result["frames"]) == ("row", expected["frames"])
    for name in ("ap", "auc", "ano_auc"):
        assert result["scores"]["combined"][name] == pytest.approx(expected[name], abs=1e-9)
    published = [100 * result["map"]["published"][f"0.{i}"] for i in range(1, 6)]
    assert published == pytest.approx(expected["map_published"], abs=1e-9)


def test_class_probabilities_by_frame_have_those_by_row(field_data: Path, tmp_path: Path) -> None:
    lists = field_data / "data" / "ucf_crime"
    rows = {v.name: v.class_probabilities for v in field_videos(field_data, "ucf", 12)}
    frames = {name: np.repeat(array, 16, axis=0) for name, array in rows.items()}  # type: ignore[arg-type]
    per, by_row = class_figures(rows, lists, tmp_path / "rows.npz")  # type: ignore[arg-type]
    other, by_frame = class_figures(frames, lists, tmp_path / "frames.npz")
    assert (per, other) == ("row", "frame")
    assert by_frame["scores"] == by_row["scores"]
    for variant in ("published", "clean"):
        values = [[made["map"][variant][f"0.{i}"] for i in range(1, 6)] for made in (by_row, by_frame)]
        assert values[0] == pytest.approx(values[1], abs=1e-12)


def test_a_row_of_one_frame_is_both(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(file, "row: 8", "row: 1")
    videos = read_videos(benchmark(file), None)
    values = {video.name: np.linspace(0, 1, int(video.timing.frames or 0)) for video in videos["test"]}
    matched = match(foreign(values), truth_of_lists(benchmark(file), videos, None))
    assert (matched.per, matched.reason) == ("row", "a row is a frame")
    assert {v.name: int(v.frame_edges[-1]) for v in matched.videos} == {name: len(v) for name, v in values.items()}
