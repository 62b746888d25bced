"""The picture of a video file: what the file says of it, its frames as they are shown.

Second 0 is where the file begins, picture or sound, whichever is first. Everything is read in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from mmvad.errors import UserError
from mmvad.extraction.container import NO_FRAME, VIDEO, begin_of, decoded, opened
from mmvad.extraction.missing import FrameSteps, said_late
from mmvad.extraction.survey import survey
from mmvad.extraction.timestamps import LEAP_SECONDS, Steady

USUAL_RATE = 25.0
"""Frames a second, of a file that neither says nor shows it."""
_HIGHEST_RATE = 1000.0
"""Frames a second above which a header is wrong: it has found none, or is damaged."""
_MEASURED = 17
"""Frames at the beginning, by which a rate is measured that the header does not say."""


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds; width and height as shown, after the rotation flag; the average frame rate.

    Attributes:
        duration_seconds: by the file's own account.
    """

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
        return upright(self.frame.to_ndarray(format="rgb24"), self.frame.rotation)


def probe(path: Path) -> MediaInfo:
    """What the file holds; its first frame is decoded, for what a header says need not be so.

    Raises UserError, naming the file, for what is no video, empty, or has no picture.
    """
    chosen = survey(path).picture
    with opened(path) as container:
        stream: Any = container.streams[chosen]
        rate, shown = declared_rate(stream), decoded(container, stream, [])
        first = next(shown, None)
        if first is None:
            raise UserError(path, NO_FRAME, expected=VIDEO)
        height, width = (first.height, first.width)[:: -1 if first.rotation % 180 else 1]
        rate = rate or _measured_rate(first, shown)
        tracks, seconds = len(container.streams.audio), _declared_seconds(container, stream, rate)
        return MediaInfo(path, width, height, rate, seconds, tracks)


def frames(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Every frame in order: its second, and its colours, uint8 [H, W, 3], upright. Raises UserError as `probe`."""
    for picture in pictures(path, []):
        yield picture.seconds, picture.rgb()


def pictures(path: Path, notes: list[str]) -> Iterator[Picture]:
    """Every frame in order; what was wrong with the file is added to `notes`. Raises UserError as `probe`."""
    info, found = probe(path), survey(path)
    notes += found.notes
    period, end, damaged, steps, steady = 1 / info.frames_per_second, 0.0, 0, FrameSteps(), Steady()
    with opened(path) as container:
        stream: Any = container.streams[found.picture]
        stream.thread_type = "AUTO"
        shown = decoded(container, stream, notes, found.moves.get(stream.index, ()))
        for picture in on_one_clock(shown, begin_of(container), period, steady):
            if not end:
                notes += said_late("picture", picture.seconds)
            end = picture.seconds + picture.duration
            damaged += picture.frame.is_corrupt
            steps.take(picture.seconds)
            yield picture
    if not end:
        raise UserError(path, NO_FRAME, expected=VIDEO)
    notes += steps.gaps().said("picture")
    notes += [f"video: damaged frames, taken as they are: {damaged}"] if damaged else []
    notes += [f"video: time stamps that jump, mended: {steady.jumps}"] if steady.jumps else []
    _note_truncation(end, info.duration_seconds, notes)


def on_one_clock(shown: Iterable[av.VideoFrame], begin: float, period: float, steady: Steady) -> Iterator[Picture]:
    """Every frame with its second since `begin`, which never falls; stamps that cannot be are mended.

    Args:
        period: how long a frame is shown that does not say so.
    """
    last = -period
    for time, duration, frame in steady.through(_timed(shown, begin, period)):
        # frames without a time stamp follow the one before them; a clock that runs backwards stands still
        last = max(last, time) if time is not None else last + period
        yield Picture(last, duration, frame)


def _timed(
    shown: Iterable[av.VideoFrame], begin: float, period: float
) -> Iterator[tuple[float | None, float, av.VideoFrame]]:
    """Each frame behind its stamp, from the file's beginning, and its duration."""
    for frame in shown:
        duration = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else period
        yield (
            None if frame.time is None else frame.time - begin,
            duration if 0 < duration < LEAP_SECONDS else period,
            frame,
        )


def declared_rate(stream: VideoStream) -> float | None:
    """Frames a second by the file's own account; None where it does not say, or what cannot be."""
    rate = float(stream.average_rate or 0)
    return rate if 0 < rate <= _HIGHEST_RATE else None


def _measured_rate(first: av.VideoFrame, following: Iterable[av.VideoFrame]) -> float:
    times = [frame.time for frame in (first, *islice(following, _MEASURED - 1)) if frame.time is not None]
    rate = (len(times) - 1) / (times[-1] - times[0]) if times and times[-1] > times[0] else USUAL_RATE
    return round(rate, 3) if rate <= _HIGHEST_RATE else USUAL_RATE


def _note_truncation(end: float, declared: float | None, notes: list[str]) -> None:
    if declared and end < declared - max(1.0, 0.02 * declared):
        notes.append(f"truncated: the picture ends at {end:.1f} s of {declared:.1f} s")


def _declared_seconds(container: InputContainer, stream: VideoStream, rate: float) -> float | None:
    """How long the picture is by the file's own account; the whole file, where the stream does not say."""
    if stream.duration and stream.time_base:
        counted = stream.frames / rate  # an AVI that was cut off still has its old count
        return max(float(stream.duration * stream.time_base), counted)
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")  # Matroska says it in words
    minutes, _, seconds = rest.partition(":")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return container.duration / av.time_base if container.duration else None


def upright(image: np.ndarray, rotation: int) -> np.ndarray:
    """The image turned counterclockwise by so many degrees, in quarters."""
    return np.ascontiguousarray(np.rot90(image, round(rotation / 90) % 4))
