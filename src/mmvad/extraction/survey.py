"""What is found by going through a file's packets before any is decoded: the picture to take, stamps to mend."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from mmvad.errors import UserError
from mmvad.extraction.container import VIDEO, opened, packets
from mmvad.extraction.timestamps import Move, Stamp, moves, moves_behind_holes

_JOINABLE = frozenset({"mpegts", "mpeg", "matroska,webm"})
"""FFmpeg's names of the containers that stay valid when files are put one behind the other: TS, PS with VOB, MKV."""
_COUNTED = "avi"
"""The container whose chunks have no stamps: they are counted."""
_REST, _REST_BYTES = 0.25, 65_536
"""How much of a file, and at least how many bytes, lie behind its last picture and sound for a word: no mere index."""
_CHUNK_HEADER = 8
"""Bytes from where AVI's index says that a chunk lies to its packet."""


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        picture: the index of the picture stream that is taken.
        moves: by stream index, from which packets on everything is later than the stamps say.
        notes: what a reader must know of it.
    """

    picture: int
    moves: dict[int, list[Move]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def survey(path: Path) -> Survey:
    """What is found in the file; looked for again only when it changes.

    Raises UserError, naming the file, for what is no media file or has no moving picture.
    """
    status = path.stat() if path.is_file() else None
    return _surveyed(path, status and (status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=64)
def _surveyed(path: Path, as_it_is: tuple[int, int] | None) -> Survey:
    with opened(path) as container:
        pictures = picture_streams(container, path)
        number = _first_that_moves(container, pictures) if len(pictures) > 1 else 0
        taken, name = pictures[number].index, container.format.name
        notes, end = _unused(number, len(pictures)), _end_of_index(container)
    moved: dict[int, list[Move]] = {}
    if name in _JOINABLE or name == _COUNTED:
        with opened(path) as container:
            streams, reach = [container.streams[taken], *container.streams.audio], _Reach()
            read = reach.through(packets(container, streams, []))
            moved = _behind_holes(streams, read) if name == _COUNTED else moves(map(_stamp, read))
        end = 0 if name == _COUNTED else reach.end  # an AVI ends with its index, which may be long
    if moved and name in _JOINABLE:
        parts = 1 + max(map(len, moved.values()))
        notes.append(f"time stamps begin again: {parts} parts are put one behind the other")
    return Survey(taken, moved, (*notes, *_said_of_the_rest(path.stat().st_size, end)))


def picture_streams(container: InputContainer, path: object) -> list[VideoStream]:
    """The picture streams; a cover picture of a song, an image or a text is none."""
    still = container.format.name == "tty" or container.format.name.endswith(("_pipe", "image2"))
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    known = [s for s in streams if s.codec_context is not None]
    if still or not known:
        sound = f"{len(container.streams.audio)} audio tracks"
        holds = f"{sound}, a picture of an unknown kind" if streams else f"{sound}, no picture"
        raise UserError(path, f"is no video: it holds {'an image or a text' if still else holds}", expected=VIDEO)
    return known


def _first_that_moves(container: InputContainer, pictures: Sequence[VideoStream]) -> int:
    """The number of the first stream of many pictures: a still beside them has one, or few."""
    count = Counter(packet.stream.index for packet in packets(container, pictures, []))
    most = max(count.values(), default=0)
    return next(i for i, s in enumerate(pictures) if count[s.index] >= min(most, max(2, most / 10)))


def _unused(number: int, streams: int) -> list[str]:
    if streams == 1:
        return []
    return [f"{streams} picture streams: stream {number} is used, counted from 0, the first that moves"]


@dataclass
class _Reach:
    """How far into the file the packets lie that came by."""

    end: int = 0

    def through(self, read: Iterable[av.Packet]) -> Iterator[av.Packet]:
        for packet in read:
            self.end = max(self.end, (packet.pos or 0) + packet.size)
            yield packet


def _end_of_index(container: InputContainer) -> int:
    """Where the last frame ends by a complete index, as MP4 has it; 0 without one."""
    last = [s.index_entries[-1] for s in container.streams if s.frames and s.frames == len(s.index_entries)]
    return max((entry.pos + entry.size for entry in last), default=0)


def _said_of_the_rest(size: int, end: int) -> Iterator[str]:
    """A line on what lies behind the last picture and sound, where it is much, such as another file or zeros."""
    if end and size - end > max(_REST * size, _REST_BYTES):
        yield f"the last {100 * (size - end) / size:.0f} % of the file hold no picture and no sound that is read"


def _stamp(packet: av.Packet) -> Stamp:
    unit = float(packet.time_base or 0)
    decoded, shown = (None if ticks is None else ticks * unit for ticks in (packet.dts, packet.pts))
    return Stamp(packet.stream.index, decoded, shown, (packet.duration or 0) * unit)


def _behind_holes(streams: Sequence[Any], read: Iterable[av.Packet]) -> dict[int, list[Move]]:
    """Of each stream, what follows chunks that are lost."""
    index = {s.index: _columns((entry.pos, entry.timestamp) for entry in s.index_entries) for s in streams}
    seen = {s.index: _columns(()) for s in streams}
    for packet in read:
        for column, value in zip(seen[packet.stream.index], ((packet.pos or 0) - _CHUNK_HEADER, packet.dts or 0)):
            column.append(value)
    unit = {s.index: float(s.time_base or 0) for s in streams}
    found = {i: moves_behind_holes(zip(*index[i]), zip(*seen[i])) for i in seen}
    return {i: [Move(packet, ticks * unit[i]) for packet, ticks in later] for i, later in found.items() if later}


def _columns(rows: Iterable[tuple[int, int]]) -> tuple[array[int], array[int]]:
    """Rows of two numbers by column, 16 bytes a row: an AVI of ten hours has a million."""
    columns = array("q"), array("q")
    for row in rows:
        for column, value in zip(columns, row):
            column.append(value)
    return columns
