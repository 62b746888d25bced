"""Small pictures of a video at chosen seconds, found by seeking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from mmvad.extraction.container import begin_of, decoded, opened
from mmvad.extraction.media import pictures, upright
from mmvad.extraction.survey import survey

Timed = tuple[float | None, av.VideoFrame]


def frames_at(path: Path, seconds: Sequence[float], width: int) -> list[np.ndarray]:
    """Thumbnails of the frames nearest to these seconds: uint8 [h, `width`, 3], upright.

    Raises UserError as `probe`.
    """
    chosen = survey(path)
    found: list[av.VideoFrame | None] = [None] * len(seconds)
    if not chosen.moves:  # where stamps are mended nothing can be sought by them
        with opened(path) as container:
            stream: Any = container.streams[chosen.picture]
            found = [_sought(container, stream, second + begin_of(container)) for second in seconds]
    return [_thumbnail(frame or _scanned(path, second), width) for frame, second in zip(found, seconds)]


def _sought(container: InputContainer, stream: VideoStream, time: float) -> av.VideoFrame | None:
    """The frame nearest to that time of the file's clock; None where seeking leads behind it or nowhere."""
    for earlier in (0.0, 5.0):  # without an index, as in a transport stream, seeking is a guess
        with suppress(av.FFmpegError):
            container.seek(int(max(time - earlier, 0) / float(stream.time_base or 1)), stream=stream)
            shown = ((frame.time, frame) for frame in decoded(container, stream, []))
            before, after = _around(shown, time)
            if before is not None:
                return _nearer(before, after, time)
    return None


def _scanned(path: Path, second: float) -> av.VideoFrame:
    """The same, by going through the whole file on the clock of its pictures."""
    before, after = _around(((picture.seconds, picture.frame) for picture in pictures(path, [])), second)
    return _nearer(before, after, second)


def _around(shown: Iterable[Timed], time: float) -> tuple[Timed | None, Timed | None]:
    """The last frame at or before that time and the first one after it, None where there is none."""
    before = None
    for timed in shown:
        if timed[0] is not None and timed[0] > time:
            return before, timed
        before = timed
    return before, None


def _nearer(before: Timed | None, after: Timed | None, time: float) -> av.VideoFrame:
    """The nearer one of two of which one is there."""
    first, second = before or after, after or before
    assert first is not None
    assert second is not None
    if first[0] is None or second[0] is None:
        return first[1]
    return second[1] if second[0] - time < time - first[0] else first[1]


def _thumbnail(frame: av.VideoFrame, width: int) -> np.ndarray:
    shown = frame.height if frame.rotation % 180 else frame.width
    scale = width / shown
    small = frame.reformat(max(1, round(frame.width * scale)), max(1, round(frame.height * scale)), format="rgb24")
    return upright(small.to_ndarray(), frame.rotation)
