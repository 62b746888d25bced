"""What is missing of picture and sound, told from their times, and said in words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

MISSING_SECONDS = 0.1
"""A gap of picture or sound shorter than this is not worth a word."""
LATE_SECONDS = 1.0
"""Picture or sound may begin so much later than the file without a word."""
_REGULAR = 0.9
"""Share of the frames that follow each other at one rate, for a file of that rate: else no gap can be told."""


@dataclass
class Gaps:
    """Stretches without picture, or without sound.

    Attributes:
        count: of the gaps; `seconds` is how long they are together, `longest` one's begin and end.
    """

    count: int = 0
    seconds: float = 0.0
    longest: tuple[float, float] = (0.0, 0.0)

    def add(self, begin: float, end: float, count: int = 1) -> None:
        """So many gaps of this length, the first of them here; those too short for a word are passed over."""
        if end - begin < MISSING_SECONDS:
            return
        self.count += count
        self.seconds += count * (end - begin)
        if end - begin > self.longest[1] - self.longest[0]:
            self.longest = begin, end

    def said(self, what: str, instead: str = "") -> Iterator[str]:
        """A line on them, where there are any, such as "no picture from 12.00 to 18.08 s"."""
        begin, end = self.longest
        if self.count == 1:
            yield f"no {what} from {begin:.2f} to {end:.2f} s{instead}"
        elif self.count:
            whole = f"{self.count} places, {self.seconds:.2f} s in all"
            yield f"no {what} in {whole}, the longest from {begin:.2f} to {end:.2f} s{instead}"


@dataclass
class FrameSteps:
    """How the seconds of a picture's frames follow each other, by whole milliseconds."""

    _last: float | None = None
    _count: Counter[int] = field(default_factory=Counter)
    _first: dict[int, float] = field(default_factory=dict)

    def take(self, seconds: float) -> None:
        """The second of the next frame."""
        if self._last is not None:
            step = round(1000 * (seconds - self._last))
            self._count[step] += 1
            self._first.setdefault(step, self._last)
        self._last = seconds

    def gaps(self) -> Gaps:
        """Where frames are missing, in a file of one rate; none in one of variable rate, where nothing can be told."""
        found, usual = Gaps(), self._usual()
        for step, count in self._count.items() if usual else ():
            if step > 1.5 * usual:
                begin = self._first[step] + usual / 1000
                found.add(begin, begin + (step - usual) / 1000, count)
        return found

    def _usual(self) -> int:
        """The step in the middle, in milliseconds, where most are about as long; else 0."""
        every, middle = self._count.total(), 0
        passed = 0
        for step in sorted(self._count):
            passed += self._count[step]
            if 2 * passed >= every:
                middle = step
                break
        near = sum(count for step, count in self._count.items() if abs(step - middle) <= max(2, middle / 4))
        return middle if near >= _REGULAR * every else 0


def said_late(what: str, begin: float, instead: str = "") -> Iterator[str]:
    """A line on picture or sound that begins later than the file."""
    if begin >= LATE_SECONDS:
        yield f"the {what} begins at {begin:.2f} s{instead}"
