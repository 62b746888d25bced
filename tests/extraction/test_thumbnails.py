"""Frames at chosen seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.extraction.media import frames
from mmvad.extraction.thumbnails import frames_at
from tests.extraction.videos import Track, moving_pictures, noise, write_video


def test_thumbnails_are_the_nearest_frames(tmp_path: Path) -> None:
    grey = [np.full((48, 64, 3), 20 * i, dtype=np.uint8) for i in range(12)]
    path = write_video(tmp_path / "v.mkv", grey, 4, codec="ffv1", pixels="bgr0")
    found = frames_at(path, [0.0, 1.1, 1.15, 2.75, 99.0, 0.3, -1], 32)
    assert [image.shape for image in found] == [(24, 32, 3)] * 7
    assert [round(float(image.mean()) / 20) for image in found] == [0, 4, 5, 11, 11, 1, 0]
    long = write_video(tmp_path / "l.mp4", moving_pictures(200), 25, tracks=[Track(noise(8, 16_000), 16_000)][:0])
    every = dict(frames(long))
    (image,) = frames_at(long, [5.0], 96)
    assert np.abs(image.astype(int) - every[5.0]).mean() < 1


def test_thumbnails_of_a_file_that_does_not_begin_at_zero(tmp_path: Path) -> None:
    grey = [np.full((48, 64, 3), 10 * i, dtype=np.uint8) for i in range(25)]
    path = write_video(tmp_path / "v.ts", grey, 5, begin=3.0)
    shown = list(frames(path))
    assert shown[0][0] == pytest.approx(0, abs=0.05)
    for image, (_, whole_image) in zip(frames_at(path, [second for second, _ in shown[::6]], 64), shown[::6]):
        assert abs(float(image.mean()) - float(whole_image.mean())) < 2
