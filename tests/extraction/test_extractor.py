"""Features against a plain loop over frames and windows, and picture and sound on one clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.extraction.extractor import Extractor, small_extractor
from mmvad.extraction.settings import ExtractionSettings
from mmvad.extraction.waveform import tick_of_snippet
from tests.extraction.videos import (
    NTSC,
    Rate,
    Track,
    beep,
    flashing_pictures,
    moving_pictures,
    noise,
    onset,
    write_video,
)
from tests.plain import extraction as plain


@pytest.fixture(scope="module")
def small() -> Extractor:
    return small_extractor()


def clip(path: Path, frames: int, rate: Rate = 24, sound_rate: int = 44_100, codec: str = "aac") -> Path:
    """A short clip with a picture of 120 x 90 and stereo sound."""
    sound = Track(noise(frames / float(rate), sound_rate, 2), sound_rate, "stereo", codec)
    return write_video(path, moving_pictures(frames, 120, 90), rate, tracks=[sound])


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.dtype == np.float32
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 16, 41, 34])
@pytest.mark.parametrize(("sampling", "crops"), [("centre", 1), ("mean", 1), ("centre", 10), ("mean", 10)])
def test_pictures_equal_a_plain_loop(tmp_path: Path, frames: int, sampling: str, crops: int) -> None:
    extractor = small_extractor(sampling=sampling, crops=crops, batch=7, audio=False)
    path = write_video(tmp_path / "clip.mp4", moving_pictures(frames, 120, 90))
    found = extractor.extract(path).visual
    wanted = plain.visual(path, extractor.image.network, sampling, crops)
    assert sorted(found) == list(range(crops))
    for crop, rows in found.items():
        close(rows, wanted[crop])


@pytest.mark.parametrize(("rate", "codec"), [(16_000, "pcm_s16le"), (44_100, "aac"), (48_000, "aac"), (8_000, "flac")])
def test_sound_equals_torchvggishs_own_code(small: Extractor, tmp_path: Path, rate: int, codec: str) -> None:
    path = clip(tmp_path / "clip.mkv", 300, 25, rate, codec)
    features = small.extract(path)
    assert small.sound is not None
    assert features.audio is not None
    close(features.audio, plain.ends(path, small.sound.network, list(features.starts[1:])))
    tick = Extractor.__new__(Extractor)
    tick.__dict__ = small.__dict__ | {"settings": ExtractionSettings(audio_window="tick", batch=4)}
    rows = plain.ticks(path, small.sound.network)
    found = tick.extract(path).audio
    assert found is not None
    close(found, rows[tick_of_snippet(features.starts, len(rows))])
    assert len(np.unique(found, axis=0)) == len(rows) == 12


@pytest.mark.slow
def test_the_full_networks_equal_a_plain_loop(tmp_path: Path) -> None:
    """CLIP ViT-B/16 and VGGish at full size with random weights."""
    settings = ExtractionSettings(visual_weights="random", audio_weights="random", audio_window="tick", crops=10)
    extractor = Extractor(settings)
    assert extractor.sound is not None
    path = clip(tmp_path / "clip.mp4", 16, 12)
    features = extractor.extract(path)
    assert features.visual[9].shape == (1, 512)
    for crop, rows in enumerate(plain.visual(path, extractor.image.network, "centre", 10)):
        close(features.visual[crop], rows)
    rows = plain.ticks(path, extractor.sound.network)
    assert features.audio is not None
    close(features.audio, rows[tick_of_snippet(features.starts, len(rows))])
    extractor.settings = ExtractionSettings(crops=1)
    features = extractor.extract(path)
    close(features.visual[0], plain.visual(path, extractor.image.network, "centre", 1)[0])
    assert features.audio is not None
    close(features.audio, plain.ends(path, extractor.sound.network, list(features.starts[1:])))


VARIABLE = np.cumsum(np.r_[0, np.random.default_rng(3).choice([1 / 60, 1 / 30, 1 / 12, 0.2], 200)])


@pytest.mark.parametrize("at", [2.05, 3.4, 5.0])
@pytest.mark.parametrize("rate", [24, 25, NTSC, 60, "variable"])
def test_a_flash_and_a_beep_fall_into_one_snippet(
    small: Extractor, tmp_path: Path, rate: Rate | str, at: float
) -> None:
    times = VARIABLE if rate == "variable" else np.arange(int(7 * float(rate))) / float(rate)
    seconds = float(times[-1]) + 0.1
    path = write_video(
        tmp_path / "clip.mp4",
        flashing_pictures(times, at),
        30 if rate == "variable" else rate,  # type: ignore[arg-type]
        times=times if rate == "variable" else None,
        tracks=[Track(beep(seconds, at, 44_100), 44_100, codec="aac")],
    )
    features = small.extract(path)
    assert features.audio is not None
    expected = int(np.searchsorted(features.starts, at, side="right")) - 1
    np.testing.assert_allclose(features.starts[:-1], times[::16], atol=1e-3)
    assert onset(features.audio) == expected
    assert 0 <= onset(features.visual[0]) - expected <= 1


@pytest.mark.parametrize(("sound", "picture"), [(0.0, 0.0), (1.5, 0.0), (0.0, 1.5)])
def test_tracks_that_begin_late_keep_their_time(small: Extractor, tmp_path: Path, sound: float, picture: float) -> None:
    times, at = np.arange(200) / 25, 4.0
    path = write_video(
        tmp_path / "clip.mkv",
        flashing_pictures(times + picture, at),
        25,
        tracks=[Track(beep(8 - sound, at - sound, 16_000), 16_000, begin=sound)],
        begin=picture,
    )
    features = small.extract(path)
    assert features.audio is not None
    assert features.starts[0] == pytest.approx(picture, abs=2e-3)
    assert abs(features.starts[onset(features.audio)] - at) < 16 / 25
    assert abs(features.starts[onset(features.visual[0])] - at) < 16 / 25


def test_random_weights_are_equal_everywhere_and_batches_change_nothing(small: Extractor, tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mp4", 100)
    other = small_extractor(batch=3)
    assert small.describe() == other.describe()
    first, second = small.extract(path), other.extract(path)
    assert first.audio is not None
    assert second.audio is not None
    np.testing.assert_allclose(first.visual[0], second.visual[0], atol=1e-5)
    np.testing.assert_allclose(first.audio, second.audio, atol=1e-5)


def test_untrained_features_tell_pictures_and_sounds_apart(small: Extractor, tmp_path: Path) -> None:
    """What the demonstration lives on: a change of scene moves the features by more than a hundredth of their size."""
    times = np.arange(150) / 25
    path = write_video(tmp_path / "c.mp4", flashing_pictures(times, 3), 25, tracks=[Track(beep(6, 3))])
    features = small.extract(path)
    for rows in (features.visual[0], features.audio):
        assert rows is not None
        assert np.abs(rows[-1] - rows[0]).mean() > 0.05 * np.abs(rows).mean()


def test_progress_reaches_the_whole_and_can_stop(small: Extractor, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", moving_pictures(700))
    shares: list[float] = []
    small.extract(path, shares.append)
    assert len(shares) > 1
    assert sum(shares) == pytest.approx(1)

    def stop(share: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        small.extract(path, stop)


def test_progress_and_interrupts_reach_the_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = small_extractor(batch=4)
    assert extractor.sound is not None
    path, sizes, shares = clip(tmp_path / "clip.mp4", 400), list[int](), list[tuple[int, float]]()
    encode = extractor.sound.encode
    monkeypatch.setattr(extractor.sound, "encode", lambda rows: sizes.append(len(rows)) or encode(rows))
    extractor.extract(path, lambda share: shares.append((len(sizes), share)))
    assert sum(share for _, share in shares) == pytest.approx(1)
    assert [sum(s > 0 for n, s in shares if n == batch) for batch in range(1, len(sizes))] == [1] * (len(sizes) - 1)
    sizes.clear()

    def stop(share: float) -> None:
        if sizes:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        extractor.extract(path, stop)
    assert len(sizes) == 1


@pytest.mark.parametrize("window", ["end", "tick"])
def test_sound_that_ends_early_is_said(tmp_path: Path, window: str) -> None:
    extractor = small_extractor(audio_window=window)
    notes = []
    for seconds in (3, 7.2):
        path = tmp_path / f"{seconds}.mkv"
        write_video(path, moving_pictures(200), 25, tracks=[Track(noise(seconds, 16_000), 16_000)])
        notes.append(extractor.extract(path).warnings)
    assert notes == [("the sound ends at 3.0 s of 8.0 s: silence from there on",), ()]
