"""Sound on the clock of the picture: several tracks, channels, gaps, and sound that begins late."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.extraction.media import probe
from mmvad.extraction.soundtrack import sound
from tests.extraction.videos import Track, beep, heard, joined, moving_pictures, noise, write_video


def test_several_tracks(tmp_path: Path) -> None:
    tracks = [Track(beep(2, at, 16_000), 16_000) for at in (0.5, 1.0, 1.5)]
    path = write_video(tmp_path / "v.mkv", moving_pictures(50), tracks=tracks)
    assert probe(path).audio_tracks == 3
    for number, track in enumerate(tracks):
        said = f"3 audio tracks: track {number} is used, counted from 0 (--audio-track)"
        np.testing.assert_allclose(heard(path, number, [said])[0], track.samples[0], atol=1e-4)
    with pytest.raises(UserError, match="has no audio track 3"):
        sound(path, 3, [])
    notes: list[str] = []
    assert sound(write_video(tmp_path / "silent.mp4", moving_pictures(5)), 2, notes) is None
    assert notes == ["no audio track"]


@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6), ("7.1", 8)])
@pytest.mark.parametrize("codec", ["pcm_s16le", "flac"])
def test_channels_are_averaged(tmp_path: Path, layout: str, channels: int, codec: str) -> None:
    samples = noise(1.5, 44_100, channels)
    path = write_video(tmp_path / "v.mkv", moving_pictures(38), tracks=[Track(samples, 44_100, layout, codec)])
    found, rate = heard(path)
    assert rate == 44_100
    np.testing.assert_allclose(found, samples.mean(axis=0), atol=1e-4)


def test_gaps_in_the_sound_are_silent(tmp_path: Path) -> None:
    """A track whose middle is missing: what comes after keeps its time."""
    path = tmp_path / "gap.mkv"
    samples = noise(4, 16_000)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = 64, 96, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for picture in moving_pictures(100):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        for start in [*range(0, 16_000, 1600), *range(40_000, 64_000, 1600)]:
            block = np.round(samples[:, start : start + 1600] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    wanted = samples[0].copy()
    wanted[16_000:40_000] = 0
    np.testing.assert_allclose(heard(path, 0, ["no sound from 1.00 to 2.50 s: silence there"])[0], wanted, atol=1e-4)


def test_sound_that_changes_its_layout_and_rate_goes_on(tmp_path: Path) -> None:
    kinds = [(44_100, 1, "mono"), (48_000, 2, "stereo"), (44_100, 1, "mono")]
    parts = [
        write_video(
            tmp_path / f"{i}.ts",
            moving_pictures(50),
            tracks=[Track(beep(2, 1.0, rate, channels), rate, layout, "aac")],
        )
        for i, (rate, channels, layout) in enumerate(kinds)
    ]
    taken, rate = heard(joined(tmp_path / "all.ts", *parts))
    assert rate == 44_100
    assert len(taken) / rate == pytest.approx(6, abs=0.3)
    for second in (0, 2, 4):
        quiet, loud = (taken[round((second + a) * rate) : round((second + a + 0.5) * rate)] for a in (0.3, 1.3))
        assert np.abs(quiet).max() < 0.05
        tone = np.abs(np.fft.rfft(loud))
        assert np.argmax(tone) * rate / len(loud) == pytest.approx(1000, abs=3)
        assert np.abs(loud).max() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("suffix", "codec", "sound_codec"),
    [(".ts", "libx264", "aac"), (".vob", "mpeg2video", "mp2"), (".mkv", "libx264", "aac"), (".mp4", "libx264", "aac")]
    + [(".flv", "libx264", "aac")],
)
def test_sound_that_begins_late_is_heard_from_there_on(
    tmp_path: Path, suffix: str, codec: str, sound_codec: str
) -> None:
    """A header that was written before the sound does not know its rate; it is that of the first frame."""
    track = Track(beep(4, 1.0), codec=sound_codec, begin=12.0)
    path = write_video(tmp_path / f"v{suffix}", moving_pictures(400), codec=codec, tracks=[track])
    notes: list[str] = []
    found = sound(path, 0, notes)
    assert found is not None
    assert found.rate == 48_000
    samples = np.concatenate(list(found.blocks))
    assert np.argmax(np.abs(samples) > 0.2) / 48_000 == pytest.approx(13, abs=0.06)
    assert [note[:-2] for note in notes] in (
        [f"the sound begins at {begin:.2f} s: silence befo"] for begin in np.arange(11.9, 12.1, 0.01)
    )


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_sound_of_a_later_part_alone_lies_in_that_part(tmp_path: Path, suffix: str) -> None:
    silent = write_video(tmp_path / f"silent{suffix}", moving_pictures(100))
    loud = write_video(tmp_path / f"loud{suffix}", moving_pictures(100), tracks=[Track(beep(4, 2.0), codec="aac")])
    path = joined(tmp_path / f"both{suffix}", silent, loud)
    found = sound(path, 0, [])
    if found is None:
        assert suffix == ".mkv", "whose header lists the tracks of its first part alone"
        return
    samples = np.concatenate(list(found.blocks))
    assert np.argmax(np.abs(samples) > 0.2) / found.rate == pytest.approx(6, abs=0.1)
