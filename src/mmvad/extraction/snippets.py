"""Which frames stand for a snippet of 16, and when the snippets begin. Pure: it knows neither files nor networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np

from mmvad.benchmarks.timeline import SNIPPET_FRAMES

SLACK_SECONDS = 0.1
"""By which a file's own account of its length is off."""
Sampling = Literal["centre", "mean"]


class Shown(Protocol):
    """A frame that is shown at a second for a while; its colours, uint8 [H, W, 3], are computed when asked for."""

    @property
    def seconds(self) -> float: ...
    @property
    def duration(self) -> float: ...
    def rgb(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Sample:
    """A frame that counts: its snippet, its share of the snippet's feature, its second.

    Attributes:
        times: how often it stands in its snippet: more than once where it is repeated.
    """

    snippet: int
    share: float
    shown: Shown
    times: int = 1


@dataclass
class Snippets:
    """Picks frames from a video, and keeps when its snippets began.

    A last snippet of fewer than 16 frames counts, its last frame repeated.

    Attributes:
        places: with `centre`, how many frames of a snippet count, at even distances; one is the centre frame.
    """

    sampling: Sampling
    places: int = 1
    starts: list[float] = field(default_factory=list)
    end: float = 0.0
    frames: int = 0
    _last: Sample | None = None

    def pick(self, pictures: Iterable[Shown]) -> Iterator[Sample]:
        """The frames that count, in order; with `mean` those of a snippet have shares that sum to 1."""
        for picture in pictures:
            yield from self.see(picture)
        yield from self.rest()

    def see(self, picture: Shown) -> Iterator[Sample]:
        """Takes the video's next frame; gives what counts, now that it is known."""
        snippet, position = divmod(self.frames, SNIPPET_FRAMES)
        if position == 0:
            self.starts.append(picture.seconds)
        if self.sampling == "mean" and self._last is not None:
            yield self._last
        share = 1.0 if self.sampling == "centre" else 1 / SNIPPET_FRAMES
        self._last = Sample(snippet, share, picture)
        if self.sampling == "centre" and position in self._positions:
            yield self._last
        self.frames += 1
        self.end = picture.seconds + picture.duration

    def rest(self) -> Iterator[Sample]:
        """What counts once the video has ended: its last frame, for those that the last snippet lacks."""
        if self._last is None:
            return
        missing = -self.frames % SNIPPET_FRAMES
        if self.sampling == "mean":
            yield replace(self._last, share=self._last.share * (1 + missing))
            return
        lacking = sum(position >= SNIPPET_FRAMES - missing for position in self._positions)
        if lacking:
            yield replace(self._last, times=lacking)

    @property
    def _positions(self) -> tuple[int, ...]:
        """Where the frames that count stand in their snippet, from 0: each in the middle of its part of it."""
        part = SNIPPET_FRAMES // self.places
        return tuple(part // 2 + part * place for place in range(self.places))

    def boundaries(self) -> np.ndarray:
        """The second at which each snippet begins, and where the last one ends: float64 [n + 1]."""
        return np.array([*self.starts, self.end], dtype=np.float64)


def fill(snippets: int, frames_per_second: float, seconds: float) -> bool:
    """Whether so many snippets at that rate last as long as a video, give or take one snippet at its end."""
    snippet = SNIPPET_FRAMES / frames_per_second
    return abs(snippets * snippet - seconds) <= snippet + SLACK_SECONDS
