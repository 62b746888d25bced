"""Decoding: what a video file holds, its frames as they are shown, its sound as it is heard, both on one clock.

Second 0 is where the file begins, picture or sound, whichever is first. Everything is read in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from mmvad.errors import UserError
from mmvad.extraction.timestamps import Move, Stamp, moves, seconds_later

_VIDEO = "a video file with a picture (MP4, MKV, AVI, MOV, WebM, ...)"
_GAP_SECONDS = 0.05
"""Sound whose time stamps leave its own clock by more than this is moved to where they say it is."""
_JOINABLE = frozenset({"mpegts", "mpeg"})
"""FFmpeg's names of the containers that stay valid when files are put one behind the other: TS, and PS with VOB."""

_TITLES: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
"""Titles that are no UTF-8 are no reason to refuse a file: PyAV escapes them itself from release 19 on."""


@dataclass(frozen=True)
class MediaInfo:
    """What a file says of itself; width and height as shown, after the rotation flag; the average frame rate."""

    path: Path
    width: int
    height: int
    frames_per_second: float
    duration_seconds: float | None
    audio_tracks: int


@dataclass(frozen=True)
class Picture:
    """A decoded frame: when it is shown and for how long, in seconds; its colours are computed when asked for."""

    seconds: float
    duration: float
    frame: av.VideoFrame

    def rgb(self) -> np.ndarray:
        """uint8 [H, W, 3], turned upright."""
        return _upright(self.frame.to_ndarray(format="rgb24"), self.frame.rotation)


@dataclass(frozen=True)
class Sound:
    """One audio track: blocks of float32 [samples], the mean of its channels, at its own sample rate."""

    rate: int
    blocks: Iterator[np.ndarray]


def decoder_version() -> dict[str, str]:
    """The decoder and its version, as a manifest holds them."""
    return {"pyav": av.__version__, "ffmpeg": str(av.ffmpeg_version_info)}


def probe(path: Path) -> MediaInfo:
    """What the file says of itself; its first frame is decoded.

    Raises UserError, naming the file, for what is no video, empty, or has no picture.
    """
    with _opened(path) as container:
        stream = _picture_stream(container, path)
        first = next(_decoded(container, stream, []), None)
        if first is None:
            raise UserError(path, "no frame can be decoded", expected=_VIDEO)
        height, width = (first.height, first.width)[:: -1 if first.rotation % 180 else 1]
        tracks, seconds = len(container.streams.audio), _declared_seconds(container, stream)
        return MediaInfo(path, width, height, float(stream.average_rate or 25), seconds, tracks)


def frames(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Every frame in order: its second, and its colours, uint8 [H, W, 3], upright. Raises UserError as `probe`."""
    for picture in pictures(path, []):
        yield picture.seconds, picture.rgb()


def pictures(path: Path, notes: list[str]) -> Iterator[Picture]:
    """Every frame in order; what was wrong with the file is added to `notes`. Raises UserError as `probe`."""
    with _opened(path) as container:
        stream = _picture_stream(container, path)
        stream.thread_type = "AUTO"
        period, begin, end, moved = 1 / float(stream.average_rate or 25), _begin(container), 0.0, _moves(path)
        if moved:
            parts = 1 + max(map(len, moved.values()))
            notes.append(f"time stamps begin again: {parts} parts are put one behind the other")
        for i, frame in enumerate(_decoded(container, stream, notes, moved)):
            if i == 0:
                last = -period
            # frames without a time stamp follow the one before them; a clock that runs backwards stands still
            seconds = max(last, frame.time - begin) if frame.time is not None else last + period
            duration = float(frame.duration * frame.time_base) if frame.duration else period
            last, end = seconds, seconds + duration
            yield Picture(seconds, duration, frame)
        if not end:
            raise UserError(path, "no frame can be decoded", expected=_VIDEO)
        _note_truncation(end, _declared_seconds(container, stream), notes)


def frames_at(path: Path, seconds: Sequence[float], width: int) -> list[np.ndarray]:
    """Thumbnails of the frames nearest to these seconds: uint8 [h, `width`, 3], upright, found by seeking."""
    with _opened(path) as container:
        stream = _picture_stream(container, path)
        times, moved = [second + _begin(container) for second in seconds], _moves(path)
        # where stamps begin again nothing can be sought by them
        found = [(None if moved else _sought(container, stream, time)) or _scanned(path, time, moved) for time in times]
    return [_thumbnail(frame, width) for frame in found]


def sound(path: Path, track: int, notes: list[str]) -> Sound | None:
    """The audio track of that number, counted from 0; None where the file has no sound at all.

    Gaps are filled with silence and overlaps dropped, so that the sample n is heard at second n / rate.
    Raises UserError, naming the file, for a track that it does not have.
    """
    with _opened(path) as container:
        tracks = container.streams.audio
        if not tracks:
            return None
        if track >= len(tracks):
            expected = f"a number below {len(tracks)}: tracks are counted from 0"
            raise UserError(path, f"has no audio track {track}", expected=expected, fix="choose with --audio-track N")
        rate = int(tracks[track].rate or 0)
    if rate <= 0:
        notes.append(f"audio track {track} cannot be decoded")
        return None
    return Sound(rate, _blocks(path, track, rate, notes))


def _blocks(path: Path, track: int, rate: int, notes: list[str]) -> Iterator[np.ndarray]:
    taken = None
    with _opened(path) as container:
        begin, shown = _begin(container), _decoded(container, container.streams.audio[track], notes, _moves(path))
        for time, mono in _as_mono(shown, rate):
            gap = 0 if time is None else round((time - begin) * rate) - (taken or 0)
            if taken is None or abs(gap) > _GAP_SECONDS * rate:
                yield from _silence(gap, rate)
                mono = mono[max(-gap, 0) :]
                taken = (taken or 0) + max(gap, 0)
            taken += len(mono)
            yield mono


def _as_mono(frames: Iterator[av.AudioFrame], rate: int) -> Iterator[tuple[float | None, np.ndarray]]:
    """Of each frame its second and its samples at that rate; what a resampler held back comes without a second.

    A stream may change its layout or rate on the way, as broadcasts do: then with another resampler.
    """
    form, to_float = None, None
    for frame in frames:
        found = (frame.format.name, frame.layout.name, frame.rate)
        if to_float is None or found != form:
            if to_float is not None:
                yield None, _joined(to_float.resample(None))
            form, to_float = found, av.AudioResampler(format="flt", rate=rate)
        yield frame.time, _joined(to_float.resample(frame))
    if to_float is not None:
        yield None, _joined(to_float.resample(None))


def _joined(frames: Sequence[av.AudioFrame | None]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.float32), *(_mean_of_channels(f) for f in frames if f is not None)])


def _mean_of_channels(frame: av.AudioFrame) -> np.ndarray:
    return frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1, dtype=np.float32)


def _silence(samples: int, rate: int) -> Iterator[np.ndarray]:
    for start in range(0, samples, rate):
        yield np.zeros(min(rate, samples - start), dtype=np.float32)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """The open file. Only this file is read: a playlist that names others is refused."""
    if not path.is_file():
        raise UserError(path, "is a folder" if path.is_dir() else "there is no such file", expected=_VIDEO)
    if not path.stat().st_size:
        raise UserError(path, "is empty (0 bytes)", expected=_VIDEO)
    try:
        container = av.open(f"file:{path}", container_options={"protocol_whitelist": "file"}, **_TITLES)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UserError(path, _why_unreadable(path, error), expected=_VIDEO) from error
    with container:
        yield container


def _why_unreadable(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    with open(path, "rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return f"cannot be read: an MP4 or MOV file whose index is missing, so it is cut off ({reason})"
    return f"is no video, or is damaged at its beginning ({reason})"


def _picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first moving picture; a cover picture of a song, an image or a text is none."""
    still = container.format.name == "tty" or container.format.name.endswith(("_pipe", "image2"))
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if still or not streams:
        holds = "an image or a text" if still else f"{len(container.streams.audio)} audio tracks, no picture"
        raise UserError(path, f"is no video: it holds {holds}", expected=_VIDEO)
    return streams[0]


def _decoded(
    container: InputContainer, stream: Any, notes: list[str], moved: Mapping[int, list[Move]] = MappingProxyType({})
) -> Iterator[Any]:
    """All frames that can be decoded, moved as `_moves` says; packets that cannot are counted in `notes`."""
    packets, broken, own = enumerate(container.demux(stream)), 0, moved.get(stream.index, [])
    while True:
        try:
            number, packet = next(packets, (0, None))
        except (av.FFmpegError, OSError) as error:
            notes.append(f"{stream.type}: reading ends early ({error.strerror})")
            packet = None
        try:
            if packet and own:
                _move(packet, seconds_later(own, number))
            yield from packet.decode() if packet else stream.codec_context.decode(None)
        except av.error.EOFError:  # the last packet of `demux` has flushed the decoder already
            pass
        except (av.FFmpegError, ValueError):
            broken += 1
        if packet is None:
            break
    if broken:
        notes.append(f"{stream.type}: {broken} packets cannot be decoded and are left out")


def _moves(path: Path) -> dict[int, list[Move]]:
    """Where the time stamps begin again, by going through the packets; nothing for containers that have an index."""
    with _opened(path) as container:
        if container.format.name not in _JOINABLE:
            return {}
        streams = [_picture_stream(container, path), *container.streams.audio]
        return moves(_stamps(container, streams))


def _stamps(container: InputContainer, streams: Sequence[Any]) -> Iterator[Stamp]:
    with suppress(av.FFmpegError, OSError):  # decoding says where reading ends early
        for packet in container.demux(streams):
            unit = float(packet.time_base or 0)
            decoded, shown = (None if ticks is None else ticks * unit for ticks in (packet.dts, packet.pts))
            yield Stamp(packet.stream.index, decoded, shown, (packet.duration or 0) * unit)


def _move(packet: av.Packet, seconds: float) -> None:
    ticks = round(seconds / float(packet.time_base)) if packet.time_base else 0
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks


def _note_truncation(end: float, declared: float | None, notes: list[str]) -> None:
    if declared and end < declared - max(1.0, 0.02 * declared):
        notes.append(f"truncated: the picture ends at {end:.1f} s of {declared:.1f} s")


def _declared_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """How long the picture is by the file's own account; the whole file, where the stream does not say."""
    if stream.duration and stream.time_base:
        counted = stream.frames / float(stream.average_rate or 25)  # an AVI that was cut off still has its old count
        return max(float(stream.duration * stream.time_base), counted)
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")  # Matroska says it in words
    minutes, _, seconds = rest.partition(":")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return container.duration / av.time_base if container.duration else None


def _begin(container: InputContainer) -> float:
    return (container.start_time or 0) / av.time_base


def _upright(image: np.ndarray, rotation: int) -> np.ndarray:
    """The image turned counterclockwise by so many degrees, in quarters."""
    return np.ascontiguousarray(np.rot90(image, round(rotation / 90) % 4))


def _sought(container: InputContainer, stream: VideoStream, time: float) -> av.VideoFrame | None:
    """The frame nearest to that time of the file's clock; None where seeking leads behind it or nowhere."""
    for earlier in (0.0, 5.0):  # without an index, as in a transport stream, seeking is a guess
        with suppress(av.FFmpegError):
            container.seek(int(max(time - earlier, 0) / float(stream.time_base or 1)), stream=stream)
            before, after = _around(_decoded(container, stream, []), time)
            if before is not None:
                return _nearer(before, after, time)
    return None


def _scanned(path: Path, time: float, moved: Mapping[int, list[Move]]) -> av.VideoFrame:
    """The same, by going through the whole file. Raises UserError as `probe`."""
    with _opened(path) as container:
        before, after = _around(_decoded(container, _picture_stream(container, path), [], moved), time)
    frame = _nearer(before, after, time)
    if frame is None:
        raise UserError(path, "no frame can be decoded", expected=_VIDEO)
    return frame


def _around(shown: Iterator[Any], time: float) -> tuple[Any, Any]:
    """The last frame at or before that time and the first one after it, None where there is none."""
    before = None
    for frame in shown:
        if frame.time is not None and frame.time > time:
            return before, frame
        before = frame
    return before, None


def _nearer(before: Any, after: Any, time: float) -> Any:
    if before is None or after is None or before.time is None:
        return after if before is None else before
    return after if after.time - time < time - before.time else before


def _thumbnail(frame: av.VideoFrame, width: int) -> np.ndarray:
    shown = frame.height if frame.rotation % 180 else frame.width
    scale = width / shown
    small = frame.reformat(round(frame.width * scale), round(frame.height * scale), format="rgb24")
    return _upright(small.to_ndarray(), frame.rotation)
