"""Rows of a stream are those that `mmvad extract` makes of the same file, in every way of making them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="the extra `video` is not installed")
pytest.importorskip("torchvggish", reason="the extra `video` is not installed")

from mmvad.extraction.extractor import Extractor, small_extractor
from mmvad.live.mailbox import Mailbox
from mmvad.live.reading import Begun, Ended, Reader
from mmvad.live.rows import Row, RowMaker
from mmvad.live.seeing import SeenSnippet
from mmvad.live.source import stream_source
from mmvad.live.telling import Teller
from tests.extraction.videos import Track, moving_pictures, noise, write_video
from tests.live.streams import light_extractor


def rows_of(path: Path, extractor: Extractor, *, whole: bool = False) -> list[Row]:
    """All rows, as a watch makes them."""
    reader = Reader(stream_source(str(path)), extractor, Teller(print), timeout=0.2, drop=False)
    reader.start()
    found: list[Row] = []
    for event in events(reader.mailbox):
        if isinstance(event, Begun):
            maker = RowMaker(extractor, event.connection, Teller(print), whole=whole)
        found += maker.take([event] if isinstance(event, SeenSnippet) else [])
        if isinstance(event, Ended):
            return found + maker.rest()
    raise AssertionError("the reader did not end")


def events(mailbox: Mailbox) -> Iterator[object]:
    while True:
        yield from mailbox.take(3, 1.0) or [None]


def check(path: Path, extractor: Extractor, *, whole: bool = False) -> None:
    wanted, found = extractor.extract(path), rows_of(path, extractor, whole=whole)
    starts = [row.start for row in found] + [found[-1].end]
    np.testing.assert_array_equal(starts, wanted.starts)
    assert [row.number for row in found] == list(range(len(found)))
    for crop, rows in wanted.visual.items():
        np.testing.assert_allclose([row.visual[crop] for row in found], rows, rtol=0, atol=2e-5)
    if wanted.audio is None:
        assert all(row.audio is None for row in found)
    else:
        np.testing.assert_allclose([row.audio for row in found], wanted.audio, rtol=0, atol=2e-5)


@pytest.mark.parametrize("frames", [5, 16, 41, 100])
@pytest.mark.parametrize(("sampling", "crops"), [("centre", 1), ("mean", 10)])
def test_pictures_and_windows_of_every_length(tmp_path: Path, frames: int, sampling: str, crops: int) -> None:
    sound = Track(noise(frames / 25, 16_000, 1), 16_000)
    path = write_video(tmp_path / "clip.mkv", moving_pictures(frames), 25, tracks=[sound])
    check(path, light_extractor(sampling=sampling, crops=crops, batch=20))


@pytest.mark.parametrize(("begin", "seconds"), [(0.0, 2.0), (1.2, 9.0)])
def test_sound_that_ends_early_or_begins_late(tmp_path: Path, begin: float, seconds: float) -> None:
    sound = Track(noise(seconds, 16_000, 2), 16_000, "stereo", "mp2", begin)
    path = write_video(tmp_path / "clip.ts", moving_pictures(150), 25, tracks=[sound])
    check(path, light_extractor(), whole=True)


def test_no_sound(tmp_path: Path) -> None:
    check(write_video(tmp_path / "clip.mp4", moving_pictures(40)), light_extractor())


@pytest.mark.slow
def test_small_networks_with_sound_that_is_resampled(tmp_path: Path) -> None:
    """Real towers, both ways of cutting windows: the costly thing is to make the networks."""
    small, path = small_extractor(batch=4), tmp_path / "clip.mp4"
    write_video(path, moving_pictures(60), 24, tracks=[Track(noise(2.5, 44_100, 2), 44_100, "stereo", "aac")])
    check(path, small)
    tick = Extractor.__new__(Extractor)
    tick.__dict__ = small.__dict__ | {"settings": replace(small.settings, audio_window="tick")}
    check(path, tick, whole=True)
