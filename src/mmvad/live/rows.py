"""From snippets that were seen to rows of features, with their sound: batches of what is due go through the towers."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmvad.extraction.audio import batches
from mmvad.extraction.extractor import Extractor
from mmvad.extraction.waveform import RATE, TICK, WINDOW
from mmvad.live.connection import Connection
from mmvad.live.seeing import SeenSnippet
from mmvad.live.telling import Teller

PATIENCE_SECONDS, LONG_PATIENCE_SECONDS = 3.0, 30.0
"""How much later than its picture a snippet's sound may come; then it is silent. The long one where nothing hurries."""


@dataclass(frozen=True)
class Row:
    """A snippet's features.

    Attributes:
        visual: float32 [crops, d].
        audio: float32 [d_a]; None without a track of sound. One that says nothing yet is silent.
        read: when its last frame was there, by `time.monotonic`.
    """

    number: int
    start: float
    end: float
    visual: np.ndarray
    audio: np.ndarray | None
    read: float


class RowMaker:
    """One connection's snippets in, rows out, as `mmvad extract` makes them of a file.

    Args:
        whole: a batch is waited for until it is full; else what is due goes at once.

    Attributes:
        batch: snippets that are worked on at once, at most.
        patience: seconds that a snippet waits for its sound.
    """

    def __init__(self, extractor: Extractor, connection: Connection, teller: Teller, *, whole: bool = False) -> None:
        self.connection, self._teller, self._whole = connection, teller, whole
        self._viewer, self._listener = extractor.viewer(), extractor.listener()
        self._hearing, self.batch = connection.hearing, self._viewer.size
        self._waiting: deque[SeenSnippet] = deque()
        self._silent_at: int | None = None  # samples that were there when no more were waited for
        self.patience = LONG_PATIENCE_SECONDS if whole else PATIENCE_SECONDS

    def take(self, snippets: Sequence[SeenSnippet]) -> list[Row]:
        """The rows that are due, now that these snippets were seen."""
        self._waiting.extend(snippets)
        found: list[Row] = []
        while due := self._due():
            found += self._rows(due)
        return found

    def rest(self) -> list[Row]:
        """All that is left: the connection has ended."""
        self._whole, self.patience = False, PATIENCE_SECONDS
        return self.take(())

    def _due(self) -> list[SeenSnippet]:
        """The next batch, empty while it waits."""
        found: list[SeenSnippet] = []
        for snippet in self._waiting:
            if len(found) >= self.batch or not self._is_heard(snippet):
                break
            found.append(snippet)
        views = sum(len(snippet.views) for snippet in found)
        if self._whole and views < self._viewer.size:
            return []
        for _ in found:
            self._waiting.popleft()
        return found

    def _is_heard(self, snippet: SeenSnippet) -> bool:
        """Whether its sound is there, or waited for no longer.

        Sound that has stopped is waited for once; when it goes on, each snippet waits for its own again. A pause is
        said anew where there were some seconds of sound since.
        """
        hearing = self._hearing
        if hearing is None or self._listener is None or hearing.waveform.received >= self._sound_end(snippet):
            return True
        ended = hearing.ended.is_set()
        if not (ended or hearing.idle):
            return False
        received = hearing.waveform.received
        since = received / hearing.rate
        patience = PATIENCE_SECONDS if ended else self.patience
        if received == self._silent_at:
            return True
        if self.connection.position - (since if ended else snippet.end) < patience:
            return ended
        if self._silent_at is None or received - self._silent_at >= PATIENCE_SECONDS * hearing.rate:
            self._teller.say(f"no sound since {since:.2f} s: the picture goes on")
        self._silent_at = received
        return True

    def _sound_end(self, snippet: SeenSnippet) -> int:
        """The sample behind its window."""
        assert self._listener is not None
        if self._listener.window == "tick":
            return self._tick(snippet) * TICK + WINDOW
        return round(snippet.end * self._listener.tower.rate)

    def _tick(self, snippet: SeenSnippet) -> int:
        return int((snippet.start + snippet.end) / 2 * RATE // TICK)

    def _rows(self, due: Sequence[SeenSnippet]) -> list[Row]:
        visual, audio = self._seen(due), self._heard(due)
        return [
            Row(snippet.number, snippet.start, snippet.end, rows, sound, snippet.read)
            for snippet, rows, sound in zip(due, visual, audio, strict=True)
        ]

    def _seen(self, due: Sequence[SeenSnippet]) -> list[np.ndarray]:
        """Each snippet's rows [crops, d], in calls of as many pictures as the extraction makes."""
        viewer = self._viewer
        views = [(place, share, images) for place, snippet in enumerate(due) for share, images in snippet.views]
        rows: list[np.ndarray | None] = [None] * len(due)
        for group in batches(views, viewer.size):
            features = viewer.encode(np.concatenate([images for _, _, images in group]))
            for (place, share, _), feature in zip(group, features.reshape(len(group), viewer.crops, -1)):
                before = rows[place]
                rows[place] = (np.zeros_like(feature) if before is None else before) + share * feature
        return [row for row in rows if row is not None]

    def _heard(self, due: Sequence[SeenSnippet]) -> list[np.ndarray | None]:
        """Each snippet's row of sound; None without any."""
        hearing, listener = self._hearing, self._listener
        if hearing is None or listener is None or (hearing.ended.is_set() and not hearing.begun):
            return [None] * len(due)
        ends = [self._sound_end(snippet) for snippet in due]
        if listener.window == "tick":
            whole = max(0, (hearing.waveform.received - WINDOW) // TICK) * TICK + WINDOW
            ends = [min(end, whole) if hearing.ended.is_set() else end for end in ends]
        distinct = list(dict.fromkeys(ends))
        size, made = listener.tower.window, list[np.ndarray]()
        for group in batches(distinct, listener.batch):
            cut = [listener.tower.prepare(hearing.waveform.window(end, size)) for end in group]
            made += list(listener.encode(np.stack(cut)))
        hearing.waveform.forget(ends[-1] - size - 2 * TICK)
        by_end = dict(zip(distinct, made, strict=True))
        return [by_end[end] for end in ends]
