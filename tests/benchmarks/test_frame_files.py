"""Annotations with a file for each video, in the forms of ShanghaiTech and UBnormal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.benchmark import Event, Video
from mmvad.benchmarks.frame_files import read_mask, read_tracks
from mmvad.benchmarks.lists import read_videos
from mmvad.benchmarks.registry import benchmark
from mmvad.benchmarks.timeline import frame_truth
from mmvad.errors import UserError
from tests.own import change, write_own


def own(folder: Path, form: str, place: str) -> Path:
    file = write_own(folder)
    change(file, "events: events.csv", f'events: {{file: "{place}", form: {form}}}')
    return file


def videos_of(file: Path) -> dict[str, Video]:
    return {video.name: video for video in read_videos(benchmark(file), None)["test"]}


def write_masks(folder: Path, file: Path, dtype: type = np.uint8) -> dict[str, np.ndarray]:
    """A mask for every abnormal test video, as long as the table of videos says."""
    (folder / "masks").mkdir()
    lengths = {row.split(",")[0]: row.split(",") for row in (folder / "videos.csv").read_text().splitlines()[1:]}
    masks: dict[str, np.ndarray] = {}
    for name, (_, split, label, frames) in lengths.items():
        if split == "test" and label != "calm":
            masks[name] = (np.arange(int(frames)) % 50 > 20).astype(dtype)
            np.save(folder / "masks" / f"{name}.npy", masks[name])
    return masks


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float64])
def test_masks_give_the_frames_back(dtype: type, tmp_path: Path) -> None:
    file = own(tmp_path, "masks", "masks/{video}.npy")
    masks = write_masks(tmp_path, file, dtype)
    videos = videos_of(file)
    assert len(masks) == 3
    for name, mask in masks.items():
        assert (frame_truth(videos[name].intervals, len(mask)) == mask.astype(bool)).all()
    assert videos["v13"].events[0] == Event("brawl", 21, 50)
    assert videos["v12"].events == ()


def test_masks_say_frames_that_no_table_says(tmp_path: Path) -> None:
    file = own(tmp_path, "masks", "masks/{video}.npy")
    masks = write_masks(tmp_path, file)
    change(tmp_path / "videos.csv", ",frames", ",kilometres")
    assert videos_of(file)["v13"].timing.frames == len(masks["v13"])


def test_tracks_of_objects_are_joined(tmp_path: Path) -> None:
    """As UBnormal has them: object, first frame, last frame, which belongs to it; in folders that no list names."""
    file = own(tmp_path, "tracks", "Scene*/{video}_annotations/{video}_tracks.txt")
    for scene, name in enumerate(("v13", "v15", "v17")):
        place = tmp_path / f"Scene{scene}" / f"{name}_annotations" / f"{name}_tracks.txt"
        place.parent.mkdir(parents=True)
        place.write_text("1.0,40.0,60.0\n2,10,19\n3,20,25\n4,50,70\n")
    videos = videos_of(file)
    assert videos["v13"].intervals == ((10, 26), (40, 71))
    assert videos["v15"].events == (Event("theft", 10, 26), Event("theft", 40, 71))


def test_one_object_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1,0,359")
    assert read_tracks(tmp_path / "a.txt").spans == ((0, 360),)
    (tmp_path / "b.txt").write_text("0.000e+00\n1.000e+00\n1\n")
    assert read_mask(tmp_path / "b.txt").spans == ((1, 3),)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 2)), r"is no mask, but an array \[4, 2\]"),
        (np.zeros(0), r"is no mask, but an array \[0\]"),
        (np.array([0, 255]), "is no mask: it holds 255"),
        (np.array([0.0, np.nan]), "is no mask: it holds nan"),
        (np.array(["a"]), "is no mask"),
        (np.array([{}]), "cannot be read as a mask"),
    ],
)
def test_what_is_no_mask(array: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=rf"a.npy: {message}(.|\n)*a 0 or 1 for every frame"):
        read_mask(tmp_path / "a.npy")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01", b"PK\x03\x04 cut", b"text"])
def test_a_broken_mask(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"a.npy: cannot be read as a mask"):
        read_mask(tmp_path / "a.npy")


@pytest.mark.parametrize("text", ["1,2", "1,a,3", "1,5,4", "1,-1,4", "1,1.5,4", "1,nan,4", "1,1,inf"])
def test_what_is_no_track(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"1,0,5\n{text}\n")
    with pytest.raises(UserError, match=r"a.txt, line 2"):
        read_tracks(tmp_path / "a.txt")


def test_missing_files_are_one_finding(tmp_path: Path) -> None:
    file = own(tmp_path, "masks", "masks/{video}.npy")
    write_masks(tmp_path, file)
    (tmp_path / "masks" / "v13.npy").rename(tmp_path / "masks" / "v_13.npy")
    with pytest.raises(UserError, match=r"the abnormal test video v13 has no file of masks(.|\n)*v_13.npy"):
        videos_of(file)
    change(file, "masks/{video}.npy", "elsewhere/{video}.npy")
    with pytest.raises(UserError, match="3 abnormal test videos have no file of masks, such as v13"):
        videos_of(file)


def test_a_mask_against_the_table(tmp_path: Path) -> None:
    file = own(tmp_path, "masks", "masks/{video}.npy")
    frames = len(write_masks(tmp_path, file)["v13"])
    np.save(tmp_path / "masks" / "v12.npy", np.ones(9))
    change(tmp_path / "videos.csv", f"v13,test,brawl,{frames}", f"v13,test,brawl,{frames + 1}")
    with pytest.raises(UserError, match=r"v12.npy: says 9 frames of v12, and the table of videos says"):
        videos_of(file)
    (tmp_path / "masks" / "v12.npy").unlink()
    with pytest.raises(UserError, match=rf"v13.npy: says {frames} frames of v13, and .* says {frames + 1}"):
        videos_of(file)


def test_a_normal_video_with_abnormal_frames_and_an_abnormal_one_without(tmp_path: Path) -> None:
    file = own(tmp_path, "masks", "**/{video}.npy")
    frames = write_masks(tmp_path, file)
    change(file, '"**/', '"masks/')
    np.save(tmp_path / "masks" / "v13.npy", np.zeros(len(frames["v13"])))
    with pytest.raises(UserError, match="v13 is abnormal and has no event"):
        videos_of(file)
    change(tmp_path / "videos.csv", "v13,test,brawl", "v13,test,calm")
    assert videos_of(file)["v13"].events == ()
    np.save(tmp_path / "masks" / "v13.npy", np.ones(len(frames["v13"])))
    with pytest.raises(UserError, match="v13 is normal and has events"):
        videos_of(file)
    (tmp_path / "masks" / "more").mkdir()
    np.save(tmp_path / "masks" / "more" / "v13.npy", np.zeros(3))
    change(file, '"masks/', '"**/masks/**/')
    with pytest.raises(UserError, match="are two files of the video v13"):
        videos_of(file)
