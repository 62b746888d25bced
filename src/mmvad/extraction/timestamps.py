"""Time stamps that cannot be: they begin again, leap, or stand in a damaged packet. Pure: it knows no decoder.

A file whose stamps begin again has parts, as recordings put one behind the other. Each part of picture and sound is
moved by the same time, to where the part before it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

JUMP_SECONDS = 1.0
"""Stamps that go back by more than this begin again; by less, packets are out of order."""
LEAP_SECONDS = 100_000.0
"""A pause is shorter than this, more than the clock of a transport stream can count."""
Item = TypeVar("Item")


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
    number: int
    begin: float = float("inf")
    end: float = float("-inf")

    def take(self, stamp: Stamp, time: float) -> None:
        shown = time if stamp.shown is None else stamp.shown
        self.begin = min(self.begin, shown)
        self.end = max(self.end, shown + stamp.duration)


@dataclass
class _Stream:
    """A stream's parts so far. One packet alone that jumps has a damaged stamp; two in a row that go back begin a part.

    Parts are numbered through the file: a stream that is silent in one has no part of that number.
    """

    parts: list[_Part] = field(default_factory=list)
    packets: int = 0
    latest: float = 0.0
    _away: tuple[int, Stamp, float] | None = None

    def take(self, stamp: Stamp, reached: int) -> None:
        """The next packet; another stream has reached the part of that number."""
        position, self.packets = self.packets, self.packets + 1
        time = stamp.decoded if stamp.decoded is not None else stamp.shown
        if time is not None:
            self._take(position, stamp, time, reached)

    @property
    def reached(self) -> int:
        """The number of the part that it has reached, or seems to."""
        return self.parts[-1].number + (self._away is not None and self._away[2] < self.latest) if self.parts else 0

    def _take(self, position: int, stamp: Stamp, time: float, reached: int) -> None:
        if not self.parts:
            self._begin(position, stamp, time, reached)
        elif self._away is not None:
            self._decide(position, stamp, time, reached)
        elif abs(time - self.latest) <= JUMP_SECONDS:
            self._accept(stamp, time)
        else:
            self._away = position, stamp, time

    def _decide(self, position: int, stamp: Stamp, time: float, reached: int) -> None:
        """What the packet before this one was, which jumped: damaged, behind a pause, or the first one of a part."""
        assert self._away is not None
        (first, before, then), self._away = self._away, None
        if then > self.latest and abs(time - self.latest) > JUMP_SECONDS:
            self._accept(before, then)
        elif then < self.latest and time < self.latest - JUMP_SECONDS:
            self._begin(first, before, then, max(reached, self.parts[-1].number + 1))
        self._take(position, stamp, time, reached)

    def _accept(self, stamp: Stamp, time: float) -> None:
        self.latest = max(self.latest, time)
        self.parts[-1].take(stamp, time)

    def _begin(self, position: int, stamp: Stamp, time: float, number: int) -> None:
        self.parts.append(_Part(position, number))
        self.latest = time
        self._accept(stamp, time)


def moves(stamps: Iterable[Stamp]) -> dict[int, list[Move]]:
    """By stream: its parts but for the first; empty for a file whose stamps only rise."""
    streams: dict[int, _Stream] = {}
    for stamp in stamps:
        stream = streams.setdefault(stamp.stream, _Stream())
        stream.take(stamp, max(other.reached for other in streams.values()))
    parts = [(index, part) for index, stream in streams.items() for part in stream.parts]
    found: dict[int, list[Move]] = {}
    shift = 0.0
    for number in range(1, max((part.number for _, part in parts), default=0) + 1):
        again = {index: part for index, part in parts if part.number == number}
        before = {index: part for index, part in parts if part.number == number - 1}
        if again and before:
            same = [part.end for index, part in before.items() if index in again]
            shift += max(same or [part.end for part in before.values()]) - min(part.begin for part in again.values())
        for index, part in again.items():
            found.setdefault(index, []).append(Move(part.packet, shift))
    return found


def seconds_later(moved: Sequence[Move], packet: int) -> float:
    """By how much the packet of that number is moved."""
    return next((move.seconds for move in reversed(moved) if move.packet <= packet), 0.0)


def moves_behind_holes(index: Iterable[tuple[int, int]], packets: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """From which packet on, counted from 0, a stream's stamps must be later, and by how many ticks.

    For a container that counts its chunks in place of stamping them (AVI): of chunks that are lost it knows nothing,
    and what follows comes too early. Its index, where there is one, knows when each chunk is due.

    Args:
        index: where each chunk lies and when it is due, rising.
        packets: where each packet lies and its stamp, in order.
    """
    chunks = iter(index)
    chunk, met, lost = next(chunks, None), False, False
    unit, later = 1.0, 0
    found: list[tuple[int, int]] = []
    for number, (position, stamp) in enumerate(packets):
        while chunk is not None and chunk[0] < position:
            lost, chunk, met = lost or not met, next(chunks, None), False
        if chunk is None or chunk[0] != position:
            continue
        due, met = chunk[1], True
        if lost and round(due / unit) - stamp != later:
            later = round(due / unit) - stamp
            found.append((number, later))
        elif not lost and stamp + later > 0:
            unit = due / (stamp + later) or 1.0  # of PCM the index counts bytes
        lost = False
    return found


@dataclass
class Steady:
    """Passes stamps on, but for those that cannot be.

    Attributes:
        jumps: how many stamps were passed over, and how often what follows was moved.
    """

    jumps: int = 0

    def through(self, timed: Iterable[tuple[float | None, float, Item]]) -> Iterator[tuple[float | None, float, Item]]:
        """The same items with their stamp and duration, in seconds from the file's beginning; the stamp is mended.

        None says that an item follows the one before it. One stamp alone that jumps is passed over. Where stamps begin
        again, what follows is moved to the end of what came before; a pause stays, but for one longer than any clock.
        """
        last, length, shift = 0.0, 0.0, 0.0
        for (stamp, duration, item), following in _with_next(timed):
            if stamp is not None:
                mended, moved = _mended(stamp, following and following[0], last, length, shift)
                self.jumps += mended is None or moved != shift
                stamp, shift = mended, moved
            last, length = last + length if stamp is None else stamp, duration
            yield stamp, duration, item


def _mended(
    stamp: float, following: float | None, last: float, length: float, shift: float
) -> tuple[float | None, float]:
    """The stamp as it can be, None where it is damaged, and by how much stamps are moved from here on.

    Args:
        last, length: of the item before it, the second and the duration, which is not to be relied on.
    """

    def fits(time: float | None, more: float = 0.0) -> bool:
        return time is not None and -JUMP_SECONDS <= time - last <= length + more + JUMP_SECONDS

    shown, then = stamp + shift, None if following is None else following + shift
    if fits(shown):
        return shown, shift
    if fits(then, length) and (shown < last or (then or 0.0) < shown):
        return None, shift
    if fits(stamp):
        return stamp, 0.0
    if 0 < shown - last <= LEAP_SECONDS:
        return shown, shift
    return last + length, last + length - stamp


def _with_next(items: Iterable[Item]) -> Iterator[tuple[Item, Item | None]]:
    source = iter(items)
    item = next(source, None)
    while item is not None:
        following = next(source, None)
        yield item, following
        item = following
