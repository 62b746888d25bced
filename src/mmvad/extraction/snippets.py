"""Which frames stand for a snippet of 16, and when the snippets begin. Pure: it knows neither files nor networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from mmvad.benchmarks.timeline import SNIPPET_FRAMES

SLACK_SECONDS = 0.1
"""By which a file's own account of its length is off."""
Sampling = Literal["centre", "mean"]
CENTRE = SNIPPET_FRAMES // 2
"""The place of the centre frame in its snippet, counted from 0."""


class Shown(Protocol):
    """A frame that is shown at a second for a while; its colours, uint8 [H, W, 3], are computed when asked for."""

    @property
    def seconds(self) -> float: ...
    @property
    def duration(self) -> float: ...
    def rgb(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Sample:
    """A frame that counts: its snippet, its share of the snippet's feature, its second."""

    snippet: int
    share: float
    shown: Shown


@dataclass
class Snippets:
    """Picks frames from a video, and keeps when its snippets began.

    A last snippet of fewer than 16 frames counts, its last frame repeated.
    """

    sampling: Sampling
    starts: list[float] = field(default_factory=list)
    end: float = 0.0
    frames: int = 0

    def pick(self, pictures: Iterable[Shown]) -> Iterator[Sample]:
        """The frames that count, in order; with `mean` those of a snippet have shares that sum to 1."""
        share = 1.0 if self.sampling == "centre" else 1 / SNIPPET_FRAMES
        last = None
        for picture in pictures:
            snippet, position = divmod(self.frames, SNIPPET_FRAMES)
            if position == 0:
                self.starts.append(picture.seconds)
            if self.sampling == "mean" and last is not None:
                yield last
            last = Sample(snippet, share, picture)
            if self.sampling == "centre" and position == CENTRE:
                yield last
            self.frames += 1
            self.end = picture.seconds + picture.duration
        missing = -self.frames % SNIPPET_FRAMES
        if last is not None and self.sampling == "mean":
            yield Sample(last.snippet, share * (1 + missing), last.shown)
        elif last is not None and 0 < self.frames % SNIPPET_FRAMES <= CENTRE:
            yield last

    def boundaries(self) -> np.ndarray:
        """The second at which each snippet begins, and where the last one ends: float64 [n + 1]."""
        return np.array([*self.starts, self.end], dtype=np.float64)


def fill(snippets: int, frames_per_second: float, seconds: float) -> bool:
    """Whether so many snippets at that rate last as long as a video, give or take one snippet at its end."""
    snippet = SNIPPET_FRAMES / frames_per_second
    return abs(snippets * snippet - seconds) <= snippet + SLACK_SECONDS
