"""Reading behind damage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from mmvad.extraction.container import decoded, opened, packets
from mmvad.extraction.media import pictures
from mmvad.extraction.soundtrack import sound
from tests.extraction.videos import Track, noise, write_video, zeroed


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transport stream whose hole is longer than a demuxer searches in one go."""
    draw = np.random.default_rng(0)
    shown = (draw.integers(0, 255, (144, 176, 3), dtype=np.uint8) for _ in range(100))
    path = tmp_path_factory.mktemp("holed") / "v.ts"
    return zeroed(write_video(path, shown, 25, tracks=[Track(noise(4, 48_000), codec="aac")]), 0.3, 0.7)


def test_try_again_is_no_end(holed: Path) -> None:
    with av.open(str(holed)) as container, pytest.raises(BlockingIOError):
        for _ in container.demux():
            pass
    notes: list[str] = []
    times = [picture.seconds for picture in pictures(holed, notes)]
    assert 40 < len(times) < 80
    assert times[-1] == pytest.approx(3.98, abs=0.05)
    assert sum(note.startswith("no picture from ") for note in notes) == 1, notes
    notes = []
    found = sound(holed, 0, notes)
    assert found is not None
    assert sum(map(len, found.blocks)) / found.rate == pytest.approx(4, abs=0.1)
    assert sum(note.startswith("no sound from ") for note in notes) == 1, notes


class Failing:
    """A container that fails for ever in one place, after a packet or before it."""

    def __init__(self, error: Exception, size: int = 10**6) -> None:
        self.error, self.size, self.calls = error, size, 0

    def demux(self, streams: object) -> Iterator[av.Packet]:
        self.calls += 1
        if self.calls == 2:
            yield av.Packet(b"x")
        raise self.error


@pytest.mark.parametrize(
    ("error", "most"),
    [
        (av.error.BlockingIOError(11, "again"), 100),
        (av.error.InvalidDataError(1, "invalid"), 100),
        (av.error.OSError(5, "Input/output error"), 20),
    ],
)
def test_an_error_that_stays_is_the_end(error: Exception, most: int) -> None:
    container, notes = Failing(error), list[str]()
    assert len(list(packets(container, None, notes))) == 1  # type: ignore[arg-type]
    assert 16 < container.calls < most
    assert notes == [f"reading ends early ({error.strerror})"]  # type: ignore[attr-defined]


def test_streams_that_come_up_on_the_way_are_no_failure() -> None:
    container, notes = Failing(IndexError("list index out of range")), list[str]()
    assert list(packets(container, None, notes)) == []  # type: ignore[arg-type]
    assert notes == []


def test_frames_that_come_last_have_their_times(tmp_path: Path) -> None:
    """Those that the decoder held back until the end."""
    draw = np.random.default_rng(0)
    shown = [draw.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(40)]
    path = write_video(tmp_path / "v.mp4", shown)
    with opened(path) as container:
        times = [frame.time for frame in decoded(container, container.streams.video[0], [])]
    np.testing.assert_allclose(times, np.arange(40) / 25, atol=1e-3)
