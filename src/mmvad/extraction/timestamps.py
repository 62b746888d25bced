"""Time stamps that begin again, as in recordings put one behind the other. Pure: it knows no decoder.

Such a file has parts. Each part of picture and sound is moved by the same time, to where the part before it ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

JUMP_SECONDS = 1.0
"""Stamps that go back by more than this begin again; by less, packets are out of order."""


@dataclass(frozen=True)
class Stamp:
    """A packet of a stream, in seconds: when it is decoded, shown, and for how long; None where it does not say."""

    stream: int
    decoded: float | None
    shown: float | None
    duration: float


@dataclass(frozen=True)
class Move:
    """From this packet of its stream on, counted from 0, everything is so many seconds later than its stamps say."""

    packet: int
    seconds: float


@dataclass
class _Part:
    packet: int
    begin: float
    end: float

    def take(self, stamp: Stamp) -> None:
        if stamp.shown is not None:
            self.begin = min(self.begin, stamp.shown)
            self.end = max(self.end, stamp.shown + stamp.duration)


@dataclass
class _Stream:
    """A stream's parts so far. One packet alone that goes back is a damaged stamp; two in a row begin a part."""

    parts: list[_Part] = field(default_factory=list)
    packets: int = 0
    latest: float = 0.0
    _back: tuple[int, Stamp] | None = None

    def take(self, stamp: Stamp) -> None:
        position, self.packets = self.packets, self.packets + 1
        time = stamp.decoded if stamp.decoded is not None else stamp.shown
        if time is None:
            return
        if not self.parts:
            self._begin(position, stamp, time)
        elif time >= self.latest - JUMP_SECONDS:
            self._back, self.latest = None, max(self.latest, time)
            self.parts[-1].take(stamp)
        elif self._back is None:
            self._back = position, stamp
        else:
            (first, before), self._back = self._back, None
            self._begin(first, before, time)
            self.parts[-1].take(stamp)

    def _begin(self, position: int, stamp: Stamp, time: float) -> None:
        self.parts.append(_Part(position, float("inf"), float("-inf")))
        self.parts[-1].take(stamp)
        self.latest = time


def moves(stamps: Iterable[Stamp]) -> dict[int, list[Move]]:
    """By stream: its parts but for the first; empty for a file whose stamps only rise."""
    streams: dict[int, _Stream] = {}
    for stamp in stamps:
        streams.setdefault(stamp.stream, _Stream()).take(stamp)
    found: dict[int, list[Move]] = {}
    shift = 0.0
    for number in range(1, max((len(stream.parts) for stream in streams.values()), default=0)):
        again = {index: stream.parts for index, stream in streams.items() if len(stream.parts) > number}
        shift += max(p[number - 1].end for p in again.values()) - min(p[number].begin for p in again.values())
        for index, parts in again.items():
            found.setdefault(index, []).append(Move(parts[number].packet, shift))
    return found


def seconds_later(moved: list[Move], packet: int) -> float:
    """By how much the packet of that number is moved."""
    return next((move.seconds for move in reversed(moved) if move.packet <= packet), 0.0)
