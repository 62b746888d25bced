"""Scores of a stream: rows go in as they come, the scores of those that are due come out. No torch here.

    online = OnlineScorer(torch_network(run), stream_span(run.config, look_ahead=4))
    for visual, audio in stream:                   # [m, d_v], and [m, d_a] or None
        use(online.add(visual, audio))
    use(online.end())

What comes out equals `data.look_ahead` in the test: no score changes when later rows do. At most two chunks of rows
are kept, however long the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmvad.config.schema import Config
from mmvad.data.look_ahead import NO_LIMIT, Span, View, joined, ready, views
from mmvad.data.segments import Chunk

CHUNKS_AT_ONCE = 32
"""Whose rows are copied out at once: with a look-ahead a long video has a chunk a snippet."""
STREAM_CHUNK = 256
"""Snippets of a chunk where the network was tested with whole videos, which a stream never is; half of it is shared."""


class ChunkRows(NamedTuple):
    """What a network scores at once: float32 [n, d_v], and [n, d_a] or None where there is no sound."""

    visual: np.ndarray
    audio: np.ndarray | None


@dataclass(frozen=True)
class RowScores:
    """Scores of consecutive snippets, the first of which is number `first` of the video.

    Attributes:
        coarse: float32 [n] in 0..1, or None where the branch was not trained.
        classes: float32 [n, C], probabilities, normal first; None likewise.
    """

    first: int
    coarse: np.ndarray | None
    classes: np.ndarray | None

    @property
    def count(self) -> int:
        return len(self.coarse if self.coarse is not None else self.classes if self.classes is not None else ())


Network = Callable[[Sequence[ChunkRows]], Sequence[tuple[np.ndarray | None, np.ndarray | None]]]
"""From chunks to `coarse` [rows] and `classes` [rows, C] of each; rows are its snippets or the network's L segments."""


def scored_rows(network: Network, span: Span, visual: np.ndarray, audio: np.ndarray | None) -> RowScores:
    """The scores of a whole video: rows [n, d_v], their sound [n, d_a] or None."""
    scorer = OnlineScorer(network, span)
    parts = [part for part in (scorer.add(visual, audio), scorer.end()) if part.count]
    coarse, classes = (
        [each for part in parts if (each := getattr(part, branch)) is not None] for branch in ("coarse", "classes")
    )
    return RowScores(0, np.concatenate(coarse) if coarse else None, np.concatenate(classes) if classes else None)


def stream_span(config: Config, look_ahead: int = NO_LIMIT, overlap: int | None = None) -> Span:
    """How a stream is cut for a run: as its test was, a network of whole videos in chunks of STREAM_CHUNK.

    Args:
        look_ahead: in snippets.
        overlap: snippets that chunks share; by default the run's own. With some, a chunk begins only to count once so
            many snippets of it are there: no score lacks a past.
    """
    data = config.data
    if data.test_span != "chunks":
        return Span(STREAM_CHUNK, STREAM_CHUNK // 2 if overlap is None else overlap, look_ahead)
    return Span(data.segment_length, data.chunk_overlap if overlap is None else overlap, look_ahead)


class OnlineScorer:
    """Scores a stream's snippets as soon as the look-ahead allows it.

    Attributes:
        seen: rows that came in.
        scored: rows whose scores came out.
    """

    def __init__(self, network: Network, span: Span) -> None:
        self.network, self.span = network, span
        self.seen = self.scored = 0
        self._rows: list[tuple[np.ndarray, np.ndarray | None]] = []  # from number `_first` on, one a snippet
        self._first = 0
        self._known: dict[Chunk, tuple[np.ndarray | None, np.ndarray | None]] = {}

    def add(self, visual: np.ndarray, audio: np.ndarray | None = None) -> RowScores:
        """Takes the next rows [m, d_v], their sound [m, d_a] or None; gives the scores that are due by now.

        Without sound a row counts as silent in a chunk where others have some; a chunk of such rows has no sound.
        """
        sound = [None] * len(visual) if audio is None else list(audio)
        self._rows += zip(np.asarray(visual, dtype=np.float32), sound, strict=True)
        self.seen += len(visual)
        due = self.scored
        while due < self.seen and (needed := ready(due, self.span)) is not None and needed <= self.seen:
            due += 1
        return self._score(range(self.scored, due))

    def end(self) -> RowScores:
        """The scores of all that is left: the stream has ended."""
        return self._score(range(self.scored, self.seen))

    def _score(self, snippets: range) -> RowScores:
        found = list(views(snippets, self.seen, self.span))
        wanted = list(dict.fromkeys(chunk for view in found for chunk in view.chunks if chunk not in self._known))
        for start in range(0, len(wanted), CHUNKS_AT_ONCE):
            some = wanted[start : start + CHUNKS_AT_ONCE]
            self._known |= zip(some, self.network([self._chunk(chunk) for chunk in some]), strict=True)
        coarse, classes = (self._joined(found, branch) for branch in (0, 1))
        self.scored = snippets.stop
        self._forget()
        return RowScores(snippets.start, coarse, classes)

    def _chunk(self, chunk: Chunk) -> ChunkRows:
        rows = self._rows[chunk.start - self._first : chunk.start - self._first + chunk.length]
        visual, sound = zip(*rows, strict=True)
        width = next((len(row) for row in sound if row is not None), None)
        if width is None:
            return ChunkRows(np.stack(visual), None)
        silence = np.zeros(width, dtype=np.float32)
        heard = np.stack([silence if row is None else row for row in sound]).astype(np.float32)
        return ChunkRows(np.stack(visual), heard)

    def _joined(self, found: Sequence[View], branch: int) -> np.ndarray | None:
        if not found or self._known[found[0].chunks[0]][branch] is None:
            return None
        known = {chunk: rows for chunk, scores in self._known.items() if (rows := scores[branch]) is not None}
        return np.concatenate([joined(view, known.__getitem__, self.span.overlap) for view in found])

    def _forget(self) -> None:
        """Lets go of the rows and chunks that no later score is joined from."""
        if self.span.length is None:
            return
        step = self.span.length - self.span.overlap
        oldest = max(0, self.scored - self.span.length + 1)
        oldest = min(-(-oldest // step) * step, self.scored)
        self._rows, self._first = self._rows[max(0, oldest - self._first) :], max(oldest, self._first)
        self._known = {
            chunk: scores for chunk, scores in self._known.items() if chunk.start + chunk.length > self.scored
        }
