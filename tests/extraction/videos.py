"""Video files of every kind, rendered by the tests themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mmvad.extraction.soundtrack import sound

Rate = int | Fraction
NTSC = Fraction(30000, 1001)


@dataclass(frozen=True)
class Track:
    """A track of sound: samples float32 [channels, n], heard from second `begin` on."""

    samples: np.ndarray
    rate: int = 48_000
    layout: str = "mono"
    codec: str = "pcm_s16le"
    begin: float = 0.0


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    rate: Rate = 25,
    *,
    times: Sequence[float] | None = None,
    tracks: Sequence[Track] = (),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    begin: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:
    """A file of these pictures, uint8 [H, W, 3], at `rate` a second or shown at these times, with these tracks."""
    pictures = iter(pictures)
    first = next(pictures)
    with av.open(f"file:{path}", "w", format=None if path.suffix else "mp4", options=options or {}) as container:
        video = container.add_stream(codec, rate=rate)
        video.height, video.width, video.pix_fmt = *first.shape[:2], pixels
        video.codec_context.gop_size = 25
        if times is not None or begin:
            video.codec_context.time_base = Fraction(1, 90_000)
        if rotation:
            video.set_display_rotation(rotation)
        sounds = [container.add_stream(track.codec, rate=track.rate, layout=track.layout) for track in tracks]
        for i, picture in enumerate([first]):
            _encode_picture(container, video, picture, i, rate, times, begin)
        for i, picture in enumerate(pictures, start=1):
            _encode_picture(container, video, picture, i, rate, times, begin)
        container.mux(video.encode())
        for stream, track in zip(sounds, tracks):
            encode_track(container, stream, track)
    return path


def _encode_picture(container, video, picture, i, rate, times, begin) -> None:  # type: ignore[no-untyped-def]
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    if times is not None or begin:
        second = times[i] if times is not None else i / float(rate)
        frame.time_base, frame.pts = Fraction(1, 90_000), round((begin + second) * 90_000)
    container.mux(video.encode(frame))


def encode_track(container, stream, track) -> None:  # type: ignore[no-untyped-def]
    size = stream.codec_context.frame_size or track.rate // 10
    to_codec = av.AudioResampler(format=stream.codec_context.format, layout=track.layout, rate=track.rate)
    for start in range(0, track.samples.shape[1], size):
        block = track.samples[:, start : start + size].T.reshape(1, -1).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=track.layout)
        frame.sample_rate, frame.time_base = track.rate, Fraction(1, track.rate)
        frame.pts = start + round(track.begin * track.rate)
        for converted in to_codec.resample(frame):
            container.mux(stream.encode(converted))
    container.mux(stream.encode())


def moving_pictures(count: int, width: int = 96, height: int = 64, seed: int = 0) -> Iterator[np.ndarray]:
    """A bright block that wanders over a coloured ground."""
    draw = np.random.default_rng(seed)
    ground = np.kron(draw.integers(0, 255, (4, 4, 3)), np.ones((height // 4 + 1, width // 4 + 1, 1)))
    ground = ground[:height, :width].astype(np.uint8)
    for i in range(count):
        picture = ground.copy()
        x, y = 3 * i % (width - 16), 2 * i % (height - 16)
        picture[y : y + 16, x : x + 16] = 255 - i % 100
        yield picture


def flashing_pictures(times: Iterable[float], at: float, width: int = 64, height: int = 48) -> Iterator[np.ndarray]:
    """Black until that second, white from it on."""
    for time in times:
        yield np.full((height, width, 3), 255 if time >= at - 1e-9 else 0, dtype=np.uint8)


def beep(seconds: float, at: float, rate: int = 48_000, channels: int = 1) -> np.ndarray:
    """Silence until that second, a tone of 1 kHz from it on: float32 [channels, n]."""
    clock = np.arange(round(seconds * rate)) / rate
    tone = np.where(clock >= at, 0.5 * np.sin(2 * np.pi * 1000 * clock), 0)
    return np.repeat(tone[None], channels, axis=0).astype(np.float32)


def noise(seconds: float, rate: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Noise that rises and falls: float32 [channels, n]."""
    draw = np.random.default_rng(seed)
    count = round(seconds * rate)
    loudness = 0.2 + 0.2 * np.sin(2 * np.pi * np.arange(count) / rate)
    return (loudness * draw.uniform(-1, 1, (channels, count))).astype(np.float32)


def onset(rows: np.ndarray, quiet: Callable[[np.ndarray], np.ndarray] = lambda rows: rows[0]) -> int:
    """The first row that is clearly not as the first one is."""
    distance = np.abs(rows - quiet(rows)).max(axis=1)
    return int(np.argmax(distance > 0.2 * distance.max()))


def heard(path: Path, track: int = 0, said: Sequence[str] = ()) -> tuple[np.ndarray, int]:
    """A track's samples and rate; reading it says so much."""
    notes: list[str] = []
    taken = sound(path, track, notes)
    assert taken is not None
    blocks = list(taken.blocks)
    assert notes == list(said)
    return np.concatenate(blocks), taken.rate


def joined(path: Path, *parts: Path) -> Path:
    """The files' bytes one behind the other, as `cat a.ts b.ts` does."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def zeroed(path: Path, begin: float, end: float) -> Path:
    """The file, whose bytes between these shares of it are zero, as a disk gives back what it has lost."""
    data = bytearray(path.read_bytes())
    first, last = (round(share * len(data)) for share in (begin, end))
    data[first:last] = bytes(last - first)
    path.write_bytes(data)
    return path


def repeat_video(source: Path, path: Path, times: int) -> Path:
    """The file's packets written `times` times, one after the other: long files without encoding them.

    Give an MP4: its packets are all timed.
    """
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        streams = {s.index: container.add_stream_from_template(s) for s in given.streams}
        length = given.duration / av.time_base + 0.1  # room for what is decoded before it is shown
        for turn in range(times):
            given.seek(0)
            for packet in given.demux():
                if packet.dts is None:
                    continue
                shift = round(turn * length / float(packet.time_base))
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    return path
