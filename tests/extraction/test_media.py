"""Files as they come: rotated, odd, cut off, of variable rate, with any number of tracks, and what is no video."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.extraction.media import frames, pictures, probe
from mmvad.extraction.thumbnails import frames_at
from tests.extraction.videos import (
    Track,
    beep,
    encode_track,
    flashing_pictures,
    heard,
    joined,
    moving_pictures,
    noise,
    write_video,
    zeroed,
)


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
    notes: list[str] = []
    found = [picture.seconds for picture in pictures(path, notes)]
    np.testing.assert_allclose(found, times, atol=2e-3)
    assert notes == []


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


@pytest.mark.parametrize(
    ("suffix", "codec", "sound_codec"),
    [(".ts", "libx264", "aac"), (".vob", "mpeg2video", "mp2"), (".mkv", "libx264", "flac")],
)
def test_files_one_behind_the_other_are_one_video(tmp_path: Path, suffix: str, codec: str, sound_codec: str) -> None:
    """Their time stamps begin again: what follows keeps its length, picture and sound stay together, and it is said."""
    part = write_video(
        tmp_path / f"a{suffix}",
        flashing_pictures(np.arange(100) / 25, 2.0),
        codec=codec,
        tracks=[Track(beep(4, 2.0), codec=sound_codec)],
    )
    count = 2 if suffix == ".mkv" else 3  # of MKV FFmpeg reads no third part
    path = joined(tmp_path / f"joined{suffix}", *[part] * count)
    notes: list[str] = []
    shown = [(p.seconds, float(p.rgb().mean())) for p in pictures(path, notes)]
    assert notes == [f"time stamps begin again: {count} parts are put one behind the other"]
    assert len(shown) == 100 * count
    times, light = np.array(shown).T
    assert np.diff(times).min() > 0.03
    assert times[-1] == pytest.approx(4 * count, abs=0.5)
    flashes = times[1:][np.diff(light) > 100]
    taken, rate = heard(path)
    assert len(taken) / rate == pytest.approx(4 * count, abs=0.5)
    loud = np.abs(taken) > 0.1
    beeps = [i / rate for i in np.flatnonzero(loud) if i > rate // 2 and not loud[i - rate // 2 : i].any()]
    np.testing.assert_allclose(beeps, flashes, atol=0.05)
    (image,) = frames_at(path, [float(flashes[1]) + 0.2], 32)
    assert image.mean() > 200


@pytest.mark.parametrize(
    ("suffix", "codec", "sound_codec"),
    [(".ts", "libx264", "aac"), (".mkv", "libx264", "aac"), (".flv", "libx264", "aac")]
    + [(".avi", "mpeg4", "libmp3lame"), (".avi", "mpeg4", "pcm_s16le"), (".vob", "mpeg2video", "mp2")],
)
def test_what_is_missing_inside_is_said_and_the_rest_keeps_its_time(
    tmp_path: Path, suffix: str, codec: str, sound_codec: str
) -> None:
    """AVI has no time stamps: there, what follows a hole is timed by its index."""
    flashes = flashing_pictures(np.arange(200) / 25, 7.0)
    path = tmp_path / f"v{suffix}"
    mixed = (np.maximum(picture, noisy) for picture, noisy in zip(flashes, moving_pictures(200, 64, 48)))
    often = {"cluster_time_limit": "500"} if suffix == ".mkv" else {}
    write_video(path, mixed, 25, codec=codec, tracks=[Track(beep(8, 7.0), codec=sound_codec)], options=often)
    whole = [(p.seconds, float(p.rgb().mean())) for p in pictures(path, [])]
    zeroed(path, 0.4, 0.6)
    notes: list[str] = []
    times, light = np.array([(p.seconds, float(p.rgb().mean())) for p in pictures(path, notes)]).T
    assert 100 < len(times) < 190
    assert times[-1] == pytest.approx(whole[-1][0], abs=0.05)
    assert sum(note.startswith("no picture from ") for note in notes) == 1, notes
    gap = int(np.argmax(np.diff(times)))
    (said,) = (note for note in notes if note.startswith("no picture"))
    assert said == f"no picture from {times[gap] + 0.04:.2f} to {times[gap + 1]:.2f} s"
    begin = whole[0][0]
    assert times[np.argmax(np.abs(light - light[0]) > 60)] == pytest.approx(7 + begin, abs=0.13)


def test_the_rate_is_measured_where_the_header_does_not_know_it(tmp_path: Path) -> None:
    """A picture that begins long after the sound, in a transport stream."""
    track = Track(noise(16, 48_000), codec="aac")
    path = write_video(tmp_path / "v.ts", moving_pictures(60), 15, tracks=[track], begin=12.0)
    notes: list[str] = []
    shown = [picture.seconds for picture in pictures(path, notes)]
    assert probe(path).frames_per_second == pytest.approx(15, abs=0.1)
    assert shown[0] == pytest.approx(12, abs=0.1)
    assert notes == [f"the picture begins at {shown[0]:.2f} s"]
