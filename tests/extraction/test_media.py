"""Files as they come: rotated, odd, cut off, of variable rate, with any number of tracks, and what is no video."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.extraction.media import frames, frames_at, pictures, probe, sound
from tests.extraction.videos import Track, beep, encode_track, flashing_pictures, moving_pictures, noise, write_video


def corner(width: int, height: int) -> np.ndarray:
    """Dark, with a white upper left quarter."""
    picture = np.full((height, width, 3), 20, dtype=np.uint8)
    picture[: height // 2, : width // 2] = 235
    return picture


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        list(frames(path))
    assert str(path) in str(caught.value)
    with pytest.raises(UserError):
        probe(path)
    return str(caught.value)


@pytest.mark.parametrize(("width", "height"), [(321, 241), (33, 17), (1, 1), (720, 404), (64, 2)])
def test_odd_sizes(tmp_path: Path, width: int, height: int) -> None:
    path = write_video(tmp_path / "odd.mkv", [corner(width, height)] * 3, codec="ffv1", pixels="bgr0")
    info = probe(path)
    assert (info.width, info.height) == (width, height)
    _, image = next(frames(path))
    np.testing.assert_array_equal(image, corner(width, height))


@pytest.mark.parametrize(
    ("matrix", "white"),
    [((1, 0, 0, 1), "top left"), ((0, 1, -1, 0), "top right"), ((-1, 0, 0, -1), "bottom right")]
    + [((0, -1, 1, 0), "bottom left")],
)
def test_rotation_flags_as_phones_write_them(tmp_path: Path, matrix: tuple[int, ...], white: str) -> None:
    """The track header's matrix is written by hand: it sends the point (x, y) to (ax + cy, bx + dy)."""
    path = write_video(tmp_path / "phone.mp4", [corner(96, 64)] * 3)
    data = bytearray(path.read_bytes())
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    position = data.index(upright, data.index(b"tkhd"))
    a, b, c, d = (value << 16 for value in matrix)
    data[position : position + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    _, image = next(frames(path))
    transposed = matrix[0] == 0
    info = probe(path)
    assert image.shape[:2] == (info.height, info.width) == ((96, 64) if transposed else (64, 96))
    halves = image[: image.shape[0] // 2], image[image.shape[0] // 2 :]
    quarters = {f"{v} {h}": part for v, half in zip(("top", "bottom"), halves) for h, part in _sides(half)}
    assert max(quarters, key=lambda name: float(quarters[name].mean())) == white
    (thumb,) = frames_at(path, [0.0], 32)
    assert thumb.shape == ((48, 32, 3) if transposed else (21, 32, 3))
    assert abs(float(thumb.mean()) - float(image.mean())) < 6


def _sides(half: np.ndarray) -> list[tuple[str, np.ndarray]]:
    middle = half.shape[1] // 2
    return [("left", half[:, :middle]), ("right", half[:, middle:])]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mov"])
def test_variable_frame_rates_keep_their_times(tmp_path: Path, suffix: str) -> None:
    times = np.cumsum([0, 0.04, 0.04, 0.5, 0.02, 0.02, 0.1, 1.5, 0.04])
    path = write_video(tmp_path / f"v{suffix}", moving_pictures(len(times)), 25, times=list(times))
    found = [second for second, _ in frames(path)]
    np.testing.assert_allclose(found, times, atol=2e-3)


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


def whole(path: Path, track: int = 0) -> tuple[np.ndarray, int]:
    notes: list[str] = []
    taken = sound(path, track, notes)
    assert taken is not None
    blocks = list(taken.blocks)
    assert notes == []
    return np.concatenate(blocks), taken.rate


def test_several_tracks(tmp_path: Path) -> None:
    tracks = [Track(beep(2, at, 16_000), 16_000) for at in (0.5, 1.0, 1.5)]
    path = write_video(tmp_path / "v.mkv", moving_pictures(50), tracks=tracks)
    assert probe(path).audio_tracks == 3
    for number, track in enumerate(tracks):
        np.testing.assert_allclose(whole(path, number)[0], track.samples[0], atol=1e-4)
    with pytest.raises(UserError, match="has no audio track 3"):
        sound(path, 3, [])
    assert sound(write_video(tmp_path / "silent.mp4", moving_pictures(5)), 2, []) is None


@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6), ("7.1", 8)])
@pytest.mark.parametrize("codec", ["pcm_s16le", "flac"])
def test_channels_are_averaged(tmp_path: Path, layout: str, channels: int, codec: str) -> None:
    samples = noise(1.5, 44_100, channels)
    path = write_video(tmp_path / "v.mkv", moving_pictures(38), tracks=[Track(samples, 44_100, layout, codec)])
    found, rate = whole(path)
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
    np.testing.assert_allclose(whole(path)[0], wanted, atol=1e-4)


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
def test_a_file_that_was_cut_off_gives_what_it_has_and_says_so(tmp_path: Path, suffix: str) -> None:
    faststart = {"movflags": "faststart"} if suffix == ".mp4" else {}
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    path = write_video(tmp_path / f"v{suffix}", moving_pictures(500), 25, codec=codec, options=faststart)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    notes: list[str] = []
    found = list(pictures(path, notes))
    assert 100 < len(found) < 450
    assert any(note.startswith("truncated: the picture ends at") and "of 20.0 s" in note for note in notes), notes


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", moving_pictures(250), 25, tracks=[Track(noise(10, 16_000), 16_000)])
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = np.random.default_rng(0).bytes(4000)
    path.write_bytes(data)
    found = [picture.seconds for picture in pictures(path, [])]
    assert len(found) > 150
    assert found[-1] == pytest.approx(249 / 25, abs=0.01)
    assert found == sorted(found)


def test_what_is_no_video(tmp_path: Path) -> None:
    empty, text, cut, song, image, song_only = (
        tmp_path / name for name in ("e.mp4", "t.mp4", "c.mp4", "s.mkv", "i.mp4", "a b#ü.txt")
    )
    empty.touch()
    text.write_text("hello\n" * 100)
    song_only.write_text("just words")
    data = write_video(tmp_path / "v.mp4", moving_pictures(50)).read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    with av.open(str(song), "w") as container:
        audio = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        encode_track(container, audio, Track(noise(1, 16_000), 16_000))
    av.VideoFrame.from_ndarray(corner(64, 48), format="rgb24").to_image().save(image, format="PNG")
    assert "is empty (0 bytes)" in refusal(empty)
    assert "is no video" in refusal(text)
    assert "is no video" in refusal(song_only)
    assert "its index is missing" in refusal(cut) or "whose index is missing" in refusal(cut)
    assert "1 audio tracks, no picture" in refusal(song)
    assert "an image or a text" in refusal(image)
    assert "there is no such file" in refusal(tmp_path / "none.mp4")
    assert "is a folder" in refusal(tmp_path)


def test_a_songs_cover_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        container.mux(cover.encode(av.VideoFrame.from_ndarray(corner(64, 48), format="rgb24")))
        container.mux(cover.encode())
        encode_track(container, audio, Track(noise(1, 16_000), 16_000))
    assert "no picture" in refusal(path)


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    other = write_video(tmp_path / "other.ts", moving_pictures(10))
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\n{other}\n#EXT-X-ENDLIST\n")
    refusal(playlist)
    playlist.write_text(f"ffconcat version 1.0\nfile '{other}'\n")
    refusal(playlist)


@pytest.mark.parametrize(
    "name", ["a b.mp4", "v=x__#1_label_A.mp4", "Zürich 東京.mp4", "a:b%03d.mp4", "-x.mp4", "http:.mp4"]
)
def test_any_name(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, moving_pictures(5))
    assert len(list(frames(path))) == 5


def test_a_file_without_frames(tmp_path: Path) -> None:
    path = tmp_path / "none.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        encode_track(container, audio, Track(noise(1, 16_000), 16_000))
    assert "no frame can be decoded" in refusal(path)


def test_thumbnails_of_a_file_that_does_not_begin_at_zero(tmp_path: Path) -> None:
    grey = [np.full((48, 64, 3), 10 * i, dtype=np.uint8) for i in range(25)]
    path = write_video(tmp_path / "v.ts", grey, 5, begin=3.0)
    shown = list(frames(path))
    assert shown[0][0] == pytest.approx(0, abs=0.05)
    for image, (_, whole_image) in zip(frames_at(path, [second for second, _ in shown[::6]], 64), shown[::6]):
        assert abs(float(image.mean()) - float(whole_image.mean())) < 2


def joined(path: Path, *parts: Path) -> Path:
    """The files' bytes one behind the other, as `cat a.ts b.ts` does."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize(("suffix", "codec", "sound_codec"), [(".ts", "libx264", "aac"), (".vob", "mpeg2video", "mp2")])
def test_files_one_behind_the_other_are_one_video(tmp_path: Path, suffix: str, codec: str, sound_codec: str) -> None:
    """Their time stamps begin again: what follows keeps its length, picture and sound stay together, and it is said."""
    part = write_video(
        tmp_path / f"a{suffix}",
        flashing_pictures(np.arange(100) / 25, 2.0),
        codec=codec,
        tracks=[Track(beep(4, 2.0), codec=sound_codec)],
    )
    path = joined(tmp_path / f"three{suffix}", part, part, part)
    notes: list[str] = []
    shown = [(p.seconds, float(p.rgb().mean())) for p in pictures(path, notes)]
    assert notes == ["time stamps begin again: 3 parts are put one behind the other"]
    assert len(shown) == 300
    times, light = np.array(shown).T
    assert np.diff(times).min() > 0.03
    assert times[-1] == pytest.approx(12, abs=0.5)
    flashes = times[1:][np.diff(light) > 100]
    taken, rate = whole(path)
    assert len(taken) / rate == pytest.approx(12, abs=0.5)
    loud = np.abs(taken) > 0.1
    beeps = [i / rate for i in np.flatnonzero(loud) if i > rate // 2 and not loud[i - rate // 2 : i].any()]
    np.testing.assert_allclose(beeps, flashes, atol=0.05)
    (image,) = frames_at(path, [float(flashes[1]) + 0.2], 32)
    assert image.mean() > 200


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
    taken, rate = whole(joined(tmp_path / "all.ts", *parts))
    assert rate == 44_100
    assert len(taken) / rate == pytest.approx(6, abs=0.3)
    for second in (0, 2, 4):
        quiet, loud = (taken[round((second + a) * rate) : round((second + a + 0.5) * rate)] for a in (0.3, 1.3))
        assert np.abs(quiet).max() < 0.05
        tone = np.abs(np.fft.rfft(loud))
        assert np.argmax(tone) * rate / len(loud) == pytest.approx(1000, abs=3)
        assert np.abs(loud).max() == pytest.approx(0.5, abs=0.1)
