"""The picture of a stream as it comes: from shown frames to whole snippets, prepared for the tower."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.extraction.snippets import Shown
from mmvad.extraction.visual import Viewer


@dataclass
class SeenSnippet:
    """A snippet that was seen to its end.

    Attributes:
        number: counted from 0, of its connection.
        start, end: seconds of its connection.
        views: what the tower shall see, uint8 [crops, size, size, 3] or [crops, frames, size, size, 3], each with its
            share of the row.
        read: when its last frame was there, by `time.monotonic`.
    """

    number: int
    start: float
    end: float = 0.0
    views: list[tuple[float, np.ndarray]] = field(default_factory=list)
    read: float = 0.0


def whole_snippets(
    shown: Iterable[Shown], viewer: Viewer, now: Callable[[], float] = time.monotonic
) -> Iterator[SeenSnippet]:
    """Every snippet once it is known where it ends: with the first frame of the next, or with the stream."""
    snippets, waiting = viewer.snippets, list[SeenSnippet]()
    read = now()

    def take(samples: Iterator) -> None:
        for sample, images in viewer.prepared(samples):
            (own,) = (snippet for snippet in waiting if snippet.number == sample.snippet)
            own.views.append((sample.share, images))

    for frame in shown:
        number, position = divmod(snippets.frames, SNIPPET_FRAMES)
        if position == 0:
            waiting.append(SeenSnippet(number, frame.seconds))
        take(snippets.see(frame))
        if position == 0 and number:
            yield _ended(waiting.pop(0), frame.seconds, read)
            snippets.starts[:-1] = []  # of a stream without an end the list would grow
        read = now()
    take(snippets.rest())
    for snippet in waiting:
        yield _ended(snippet, snippets.end, read)


def _ended(snippet: SeenSnippet, end: float, read: float) -> SeenSnippet:
    snippet.end, snippet.read = end, read
    return snippet
