"""Which picture is taken where there are several, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from mmvad.extraction.media import pictures, probe
from mmvad.extraction.survey import survey
from tests.extraction.videos import Track, joined, moving_pictures, noise, write_video


def two_pictures(path: Path, first: int, second: int) -> Path:
    """A file of two picture streams, of 32 and of 96 pixels' width, of so many frames."""
    with av.open(str(path), "w") as container:
        streams = []
        for width in (32, 96):
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, 32, "yuv420p"
            streams.append(stream)
        for stream, count in zip(streams, (first, second)):
            for picture in moving_pictures(count, stream.width, 32):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".avi", ".ts"])
@pytest.mark.parametrize(("first", "second", "taken"), [(1, 40, 1), (4, 100, 1), (40, 1, 0), (30, 40, 0), (1, 1, 0)])
def test_of_several_pictures_the_first_that_moves_is_taken(
    tmp_path: Path, suffix: str, first: int, second: int, taken: int
) -> None:
    path = two_pictures(tmp_path / f"v{suffix}", first, second)
    notes: list[str] = []
    found = list(pictures(path, notes))
    assert len(found) == (first, second)[taken]
    assert {picture.rgb().shape[1] for picture in found} == {probe(path).width} == {(32, 96)[taken]}
    assert f"2 picture streams: stream {taken} is used, counted from 0, the first that moves" in notes


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", moving_pictures(75))
    assert survey(path).moves == {}
    copy = path.rename(tmp_path / "part.mkv")
    joined(path, copy, copy)
    assert [move.seconds for move in survey(path).moves[0]] == pytest.approx([3.0], abs=0.1)
    assert np.diff([p.seconds for p in pictures(path, [])]).min() > 0.03


@pytest.mark.parametrize(("suffix", "count"), [(".mp4", 2), (".mkv", 3), (".ts", 1)])
def test_what_lies_behind_the_last_picture_is_said(tmp_path: Path, suffix: str, count: int) -> None:
    """Another MP4, which no reader looks for there; a recorder's file whose end was never written."""
    draw = np.random.default_rng(0)
    shown = (draw.integers(0, 255, (64, 96, 3), dtype=np.uint8) for _ in range(75))
    part = write_video(tmp_path / f"part{suffix}", shown, tracks=[Track(noise(3, 48_000), codec="aac")])
    assert survey(part).notes == ()
    path = joined(tmp_path / f"v{suffix}", *[part] * count)
    if count == 1:
        path.write_bytes(part.read_bytes() + bytes(2 * part.stat().st_size))
    (note,) = (note for note in survey(path).notes if note.startswith("the last "))
    percent = int(note.split()[2])
    assert note == f"the last {percent} % of the file hold no picture and no sound that is read"
    assert percent == pytest.approx({".mp4": 50, ".mkv": 33, ".ts": 67}[suffix], abs=5)
