"""Frame arrays from elsewhere: lengths, orders, readings and differences are all found again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.benchmark import AnomalyClass, Benchmark, Event, Video
from mmvad.benchmarks.lists import read_videos
from mmvad.benchmarks.registry import benchmark
from mmvad.benchmarks.timeline import frame_truth
from mmvad.errors import UserError
from mmvad.evaluation.audit import LENGTHS, ORDERS, READINGS, Audit, Stretch, audit
from mmvad.evaluation.known_truths import recognised
from mmvad.evaluation.truth import Length, Truth, TruthVideo, read_lengths, truth_of_lists
from tests.evaluation.made import FRAMES, TINY, tiny_truth


def marked(video: TruthVideo, frames: int, reading: str = next(iter(READINGS))) -> np.ndarray:
    array = np.zeros(frames)
    for start, end in READINGS[reading](video):
        array[start:end] = 1
    return array


def joined(path: Path, truth: Truth, lengths: str, order: str, reading: str = next(iter(READINGS))) -> Audit:
    videos = sorted(truth.videos, key=ORDERS[order])
    np.save(path / "gt.npy", np.concatenate([marked(v, LENGTHS[lengths](v) or 0, reading) for v in videos]))
    return audit(path / "gt.npy", truth)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_the_rule_of_lengths_is_found(lengths: str, tmp_path: Path) -> None:
    found = joined(tmp_path, tiny_truth(), lengths, "as in the list")
    rule = LENGTHS[found.lengths or ""]
    assert [rule(v) for v in tiny_truth().videos] == [LENGTHS[lengths](v) for v in tiny_truth().videos]
    assert (found.equal, found.order, found.differing) == (True, "as in the list", 0)


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_videos_is_found(order: str, tmp_path: Path) -> None:
    mixed = tiny_truth()
    mixed = Truth(TINY, tuple(mixed.videos[i] for i in (1, 2, 3, 0)), mixed.training, "lists", "hash")
    found = joined(tmp_path, mixed, "the frames of the files", order)
    placed = sorted(mixed.videos, key=ORDERS[found.order or ""])
    assert found.equal
    assert [v.intervals for v in placed] == [v.intervals for v in sorted(mixed.videos, key=ORDERS[order])]


@pytest.mark.parametrize("reading", READINGS)
def test_the_reading_of_annotations_is_found(reading: str, tmp_path: Path) -> None:
    found = joined(tmp_path, tiny_truth(), "the frames of the files", "as in the list", reading)
    assert found.least == 0
    expected = {"frames are counted from 1, the last one belongs to the event": 3, "the events with their classes": 0}
    assert found.differing == expected.get(reading, 3 if "belongs" in reading else 0)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float64, ">f4"])
def test_an_array_a_video_of_any_dtype(dtype: object, tmp_path: Path) -> None:
    arrays = {v.name: marked(v, FRAMES[v.name]).astype(dtype) for v in tiny_truth().videos}  # type: ignore[call-overload]
    arrays["c_x264"][50:53] = 1
    arrays["c_x264"][110] = 0
    (tmp_path / "gt").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "gt" / f"{name}.npy", array)
    np.savez(tmp_path / "gt.npz", **arrays)
    for path in (tmp_path / "gt", tmp_path / "gt.npz"):
        found = audit(path, tiny_truth(None))
        (video,) = (v for v in found.videos if not v.equal)
        assert video.stretches == (Stretch(50, 53, in_array=True), Stretch(110, 111, in_array=False))
        assert (video.name, video.differing, found.differing, found.lengths) == ("c_x264", 4, 4, None)
        assert audit(path, tiny_truth()).lengths == "the frames of the files"


def test_missing_and_unknown_videos_and_a_length_that_is_off(tmp_path: Path) -> None:
    arrays = {v.name: marked(v, FRAMES[v.name]) for v in tiny_truth().videos}
    arrays["z_x264"] = arrays.pop("d_x264")
    arrays["b_x264"] = np.zeros(60)
    np.savez(tmp_path / "gt.npz", **arrays)
    found = audit(tmp_path / "gt.npz", tiny_truth())
    assert (found.missing, found.unknown, found.equal) == (("d_x264",), ("z_x264",), False)
    (video,) = (v for v in found.videos if not v.equal)
    assert (video.name, video.frames, video.expected, video.differing) == ("b_x264", 60, 64, 0)


def test_names_and_lengths_in_one_file(tmp_path: Path) -> None:
    videos = tiny_truth().videos[::-1]
    array = np.concatenate([marked(v, FRAMES[v.name]) for v in videos])
    names, frames = np.array([v.name for v in videos]), np.array([FRAMES[v.name] for v in videos])
    np.savez(tmp_path / "gt.npz", names=names, frames=frames, gt=array)
    assert audit(tmp_path / "gt.npz", tiny_truth(None)).equal


def test_one_video_less_is_found(tmp_path: Path) -> None:
    videos = [v for v in tiny_truth().videos if v.name != "d_x264"]
    np.save(tmp_path / "gt.npy", np.concatenate([marked(v, FRAMES[v.name]) for v in videos]))
    found = audit(tmp_path / "gt.npy", tiny_truth())
    assert (found.missing, found.differing, found.equal) == (("d_x264",), 0, False)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full(437, 0.5), "437 values such as 0.5"),
        (np.full(437, np.nan), "437 values such as nan"),
        (np.zeros((437, 2)), r"shape \[437, 2\]"),
        (np.zeros(300), r"300 frames end to end, which no rule gives"),
        (np.array(["a"]), "dtype <U1"),
    ],
)
def test_what_is_no_truth(array: np.ndarray, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", array)
    with pytest.raises(UserError, match=said):
        audit(tmp_path / "gt.npy", tiny_truth())


def test_without_lengths_a_known_array_is_named_all_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", np.zeros(1_114_144, dtype=bool))
    ucf = Truth(benchmark("ucf_crime"), tiny_truth(None).videos, frozenset(), "lists", "hash")
    with pytest.raises(UserError, match=r"1,114,144 frames end to end \(as many as RTFM's") as refused:
        audit(tmp_path / "gt.npy", ucf)
    assert "--lengths CSV" in str(refused.value)


@pytest.fixture
def field_truth(field_data: Path) -> Callable[[str], Truth]:
    def made(name: str) -> Truth:
        lists, facts = field_data / "data" / name, benchmark(name)
        return truth_of_lists(facts, read_videos(facts, lists), lists, read_lengths(lists / "test_lengths.csv"))

    return made


@pytest.mark.parametrize(("name", "frames"), [("ucf_crime", 1_109_888), ("xd_violence", 2_330_384)])
def test_the_real_annotations_give_known_arrays(
    name: str, frames: int, field_truth: Callable[[str], Truth], tmp_path: Path
) -> None:
    truth = field_truth(name)
    np.save(tmp_path / "gt.npy", np.concatenate([frame_truth(v.intervals, 16 * (v.rows or 0)) for v in truth.videos]))
    found = audit(tmp_path / "gt.npy", truth)
    assert (found.frames, found.equal, found.lengths) == (frames, True, "the frames of its rows of features")
    assert "16 frames a row" in (recognised(name, frames) or "")


def test_the_array_of_i3d_features_is_recognised_video_by_video(
    field_data: Path, field_truth: Callable[[str], Truth], tmp_path: Path
) -> None:
    """By the rows of real scores on I3D features: 13 videos have one row less than the public CLIP features."""
    file = field_data / "real" / "ucf_scores.npz"
    if not file.is_file():
        pytest.skip("the real scores are not here")
    with np.load(file, allow_pickle=False) as real:
        rows = dict(zip(map(str, real["names"]), real["snippets"].tolist()))
    truth = field_truth("ucf_crime")
    rows["Normal_Videos_937_x264"] = truth.by_name["Normal_Videos_937_x264"].rows  # it has no scores
    np.save(tmp_path / "gt.npy", np.concatenate([frame_truth(v.intervals, 16 * rows[v.name]) for v in truth.videos]))
    found = audit(tmp_path / "gt.npy", truth)
    assert (found.frames, found.equal, found.lengths) == (1_109_680, True, recognised("ucf_crime", 1_109_680))


def test_a_users_own_array_of_raw_frames(field_data: Path) -> None:
    """A real array of no benchmark of ours: its events end with a frame that belongs to them."""
    folder = field_data / "real" / "own_clips"
    if not (folder / "gt.npy").is_file():
        pytest.skip("the real clips are not here")
    classes = tuple(AnomalyClass(key, key.lower()) for key in ("Normal", "Assault", "Fighting"))
    own = Benchmark("own", "Own clips", classes, 30.0, {"train": 0, "test": 0}, 0, "auc", "none", False)
    videos, lengths = [], {}
    for record in json.loads((folder / "annotations.json").read_text())["videos"]:
        name = record["video_name"].removesuffix(".mp4")
        events = tuple(Event(record["label"], e["start_frame"], e["end_frame"]) for e in record["anomalous"])
        videos.append(Video(name, "test", (record["label"],), events, tuple((e.start, e.end) for e in events)))
        lengths[name] = Length(record["num_frames"], None)
    found = audit(folder / "gt.npy", truth_of_lists(own, {"train": [], "test": videos}, folder, lengths))
    assert (found.frames, found.abnormal, found.lengths) == (50_823, 4_683, "the frames of the files")
    assert (found.reading, found.least) == ("an event's last frame belongs to it", 0)
    assert found.differing == 29
