"""Which snippets of a video a score may see: the chunks that it is joined from, and when they are there. No torch here.

Scores are those of a video in chunks (`data.test_span`, `data.chunk_overlap`). With a look-ahead of A snippets
(`data.look_ahead`) the score of snippet t is what the same chunks give of the video's first t + A + 1 snippets, as if
it had ended there. From A = length - 1 on nothing is cut, and the scores are those without a limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from mmvad.config.schema import Config
from mmvad.data.segments import Chunk, chunks, fade, snippet_segments

NO_LIMIT = -1


class Span(NamedTuple):
    """How a video is cut, and how far ahead a score looks.

    Attributes:
        length: most snippets of a chunk; None: the whole video is one.
        overlap: snippets that neighbouring chunks share, 0 to length - 1.
        look_ahead: snippets after its own that a score may see; NO_LIMIT: all of its chunks.
    """

    length: int | None
    overlap: int = 0
    look_ahead: int = NO_LIMIT

    @property
    def behind(self) -> float:
        """Snippets that are there, at most, before one is scored: those looked ahead to, or a chunk; else all."""
        chunk = math.inf if self.length is None else self.length
        return chunk if self.look_ahead < 0 else min(self.look_ahead, chunk)


def span_of(config: Config) -> Span:
    """How test videos are cut, by `data.*`: chunks of L, or whole; and how far ahead a score looks."""
    data = config.data
    in_chunks = data.test_span == "chunks"
    return Span(data.segment_length if in_chunks else None, data.chunk_overlap if in_chunks else 0, data.look_ahead)


class View(NamedTuple):
    """Snippets [first, last) whose scores are joined from the same chunks, each of which has some of them."""

    first: int
    last: int
    chunks: tuple[Chunk, ...]


def ready(snippet: int, span: Span) -> int | None:
    """How many snippets must be there before a snippet is scored; None: all of the video.

    More of them change nothing that the look-ahead lets it see: the last of its chunks is full, or cut there.
    """
    ends = [] if span.look_ahead < 0 else [snippet + span.look_ahead + 1]
    if span.length is not None:
        step = span.length - span.overlap
        ends.append(snippet // step * step + span.length)
    return min(ends) if ends else None


def holding(snippet: int, seen: int, span: Span, video: int = 0) -> tuple[Chunk, ...]:
    """The chunks that a snippet lies in, of a video of which so many snippets are seen, in order."""
    if span.length is None:
        return (Chunk(video, 0, seen),)
    step = span.length - span.overlap
    first, last = max(0, snippet - span.length) // step, snippet // step
    starts = [
        nth * step
        for nth in range(first, last + 1)
        if nth * step <= snippet < nth * step + span.length and (nth == 0 or nth * step < seen - span.overlap)
    ]
    return tuple(Chunk(video, start, min(span.length, seen - start)) for start in starts)


def views(snippets: range, seen: int, span: Span, video: int = 0) -> Iterator[View]:
    """Some snippets of a video in stretches, with the chunks of each; `seen` is what is there of the video by now."""

    def held(snippet: int) -> tuple[Chunk, ...]:
        needed = ready(snippet, span)
        return holding(snippet, seen if needed is None else min(needed, seen), span, video)

    for found, stretch in groupby(snippets, held):
        first, *others = stretch
        yield View(first, first + len(others) + 1, found)


def windows(lengths: Sequence[int], span: Span) -> list[Chunk]:
    """Every chunk that scores of videos of these lengths are joined from, once, in order."""
    if span.look_ahead < 0:
        return chunks(list(lengths), span.length or max(lengths, default=1), span.overlap if span.length else 0)
    found = (view.chunks for video, n in enumerate(lengths) for view in views(range(n), n, span, video))
    return list(dict.fromkeys(chunk for each in found for chunk in each))


def joined(view: View, scores: Callable[[Chunk], np.ndarray], overlap: int) -> np.ndarray:
    """A stretch's scores [last - first, ...], float32: each the mean over its chunks, weighed by `fade`.

    Args:
        scores: of a chunk, [rows, ...]; rows are its snippets, or the L segments that it was cut or stretched to.
    """
    parts = [(chunk, scores(chunk)) for chunk in view.chunks]
    total = np.zeros((view.last - view.first, *parts[0][1].shape[1:]))
    weights = np.zeros(len(total))
    for chunk, rows in parts:
        if len(rows) != chunk.length:
            rows = rows[snippet_segments(chunk.length, len(rows))]
        part = slice(view.first - chunk.start, view.last - chunk.start)
        weight = fade(chunk.length, overlap)[part]
        total += (rows[part].T * weight).T
        weights += weight
    # in float64, weighing and dividing again gives back every score that is one chunk's alone, to the last bit
    return (total.T / weights).T.astype(np.float32)
