"""Clips of alarms: packets of the stream as they came, some seconds of them kept, put into a file without encoding.

Each clip is written in a thread of its own: a slow or full disk holds up neither the stream nor the alarms.
"""

from __future__ import annotations

import math
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import av

from mmvad.errors import UserError
from mmvad.system.disk import disk_errors

LONGEST_SECONDS = 600.0
"""Of a clip: an alarm that stays fills no disk."""
_SLACK_SECONDS = 0.5
"""By which a decoder may show a frame later than its packet came."""
_KEPT_BYTES = 256 * 2**20
"""Of packets in the ring, and of those that wait for a disk."""
_IN_MP4 = {"h264", "hevc", "av1", "mpeg4"}, {"aac", "mp3", "opus"}
"""Codecs of picture and sound that browsers play from an MP4."""


def require_folder(folder: Path) -> None:
    """Raises UserError where there can be no folder of clips: at once, not with the first alarm."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        problem = "is a file" if there == folder else f"cannot be made: {there} is a file"
        raise UserError(f"--clips: {folder}", problem, expected="a folder, which need not be there yet")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"--clips: {folder}", f"no permission to write in {there}", fix="choose another folder")


class Kept(NamedTuple):
    """A packet and what is known of it: its stream's index, whether a picture can be decoded from it on.

    Attributes:
        second: of the stream, that was shown when it came.
    """

    packet: av.Packet
    stream: int
    key: bool
    second: float


class PacketRing:
    """The packets of the last seconds, whole groups of pictures of them. Threads may share it.

    Args:
        seconds: how far back it reaches; it may be said later.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._packets: deque[Kept] = deque()
        self._first = 0
        self._keys: deque[int] = deque()
        self._bytes = 0

    def keep(self, packet: av.Packet, second: float) -> None:
        """The next packet of the stream."""
        kept = Kept(packet, packet.stream.index, packet.stream.type == "video" and packet.is_keyframe, second)
        with self._lock:
            if kept.key:
                self._keys.append(self._first + len(self._packets))
            self._packets.append(kept)
            self._bytes += packet.size
            while self._is_more_than_enough(second):
                self._drop_until(self._keys[1] if len(self._keys) > 1 else self._first + len(self._packets))

    def place_before(self, second: float) -> int:
        """The number of the last key frame before that second; of the first one that is there, where none is."""
        with self._lock:
            before = [key for key in self._keys if self._packets[key - self._first].second <= second - _SLACK_SECONDS]
            return before[-1] if before else self._keys[0] if self._keys else self._first + len(self._packets)

    def take(self, place: int, until: float) -> tuple[list[Kept], int]:
        """The packets from that number on that came before that second was shown; and the number of the next one."""
        with self._lock:
            place = max(place, self._first)
            found = list(takewhile(lambda kept: kept.second <= until, islice(self._packets, place - self._first, None)))
            return found, place + len(found)

    def _is_more_than_enough(self, second: float) -> bool:
        if self._bytes > _KEPT_BYTES:
            return True
        return len(self._keys) > 1 and self._packets[self._keys[1] - self._first].second <= second - self.seconds

    def _drop_until(self, place: int) -> None:
        while self._first < place:
            self._bytes -= self._packets.popleft().packet.size
            self._first += 1
        while self._keys and self._keys[0] < place:
            self._keys.popleft()


class Clip:
    """A clip that is being written.

    Args:
        path: without suffix: `.mp4` where browsers can play it, else `.mkv`.
        begin: the second of the stream that it must have.
        tell: takes what went wrong, in a line.

    Attributes:
        path: with its suffix.
    """

    def __init__(
        self, path: Path, streams: Sequence[Any], ring: PacketRing, begin: float, tell: Callable[[str], object]
    ) -> None:
        self.path = path.with_name(path.name + _suffix(streams))
        self._streams, self._ring, self._begin, self._tell = streams, ring, begin, tell
        self._place = ring.place_before(begin)
        self._packets: queue.SimpleQueue[Kept | None] = queue.SimpleQueue()
        self._waiting, self._ended = 0, False
        self._thread = threading.Thread(target=self._run, name="clip", daemon=True)
        self._thread.start()

    def reach(self, second: float) -> None:
        """The clip shall reach to that second, as far as it is there; no farther than clips may be long."""
        if self._ended:
            return
        found, self._place = self._ring.take(self._place, second + _SLACK_SECONDS)
        for kept in found:
            self._waiting += kept.packet.size
            self._packets.put(kept)
        if second - self._begin > LONGEST_SECONDS or self._waiting > _KEPT_BYTES:
            self._tell(f"{self.path}: ends after {second - self._begin:.0f} s: too long, or the disk is too slow")
            self.close()

    def close(self) -> None:
        """No more packets come."""
        if not self._ended:
            self._ended = True
            self._packets.put(None)

    def wait(self, seconds: float) -> bool:
        """Whether it is written, within so many seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with disk_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._write()
        except (UserError, av.FFmpegError, ValueError) as error:
            reason = error.problem if isinstance(error, UserError) else getattr(error, "strerror", None) or error
            self._ended = True
            self._tell(f"{self.path}: no clip: {reason}")

    def _write(self) -> None:
        fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if self.path.suffix == ".mp4" else {}
        with av.open(f"file:{self.path}", "w", options=fragments) as file:
            copies = {stream.index: file.add_stream_from_template(stream) for stream in self._streams}
            clock, empty = Restamped(), True
            while (kept := self._packets.get()) is not None:
                self._waiting -= kept.packet.size
                copy = clock.copy(kept)
                copy.stream = copies[kept.stream]
                file.mux(copy)
                empty = False
        if empty:
            raise UserError(self.path, "the stream's packets of it are no longer there: it was scored too late")


class Restamped:
    """Copies of packets whose stamps begin at 0 and rise, whatever those of the stream do."""

    def __init__(self) -> None:
        self._shift: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._begin: float | None = None

    def copy(self, kept: Kept) -> av.Packet:
        """The packet for a file of its own; the stream's is left as it is, for other clips."""
        packet, index = kept.packet, kept.stream
        unit = float(packet.time_base or 1)
        stamp = packet.dts if packet.dts is not None else packet.pts
        last = self._last.get(index)
        second = stamp * unit if stamp is not None else (last or 0.0) - self._shift.get(index, 0.0) + unit
        if self._begin is None:
            self._begin = second
        shift = self._shift.setdefault(index, -self._begin)
        if last is not None and not last < second + shift <= last + LONGEST_SECONDS:
            shift = self._shift[index] = last + max(float(packet.duration or 1) * unit, unit) - second
        self._last[index] = second + shift
        ticks = round(shift / unit)
        copy = av.Packet(bytes(packet))
        copy.time_base, copy.duration, copy.is_keyframe = packet.time_base, packet.duration, packet.is_keyframe
        copy.dts = round(second / unit) + ticks
        copy.pts = copy.dts if packet.pts is None or stamp is None else packet.pts + ticks
        return copy


def _suffix(streams: Sequence[Any]) -> str:
    for stream in streams:
        sound = stream.type == "audio"
        if stream.codec_context.name not in _IN_MP4[sound]:
            return ".mkv"
        if stream.codec_context.name == "aac" and not stream.codec_context.extradata:
            return ".mkv"  # as in transport streams, whose AAC an MP4 does not take
    return ".mp4"
