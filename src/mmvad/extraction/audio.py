"""From a video's sound to rows, one a snippet, through one tower, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from mmvad.extraction.settings import AudioWindow
from mmvad.extraction.soundtrack import NO_SOUND, sound
from mmvad.extraction.towers import AudioTower
from mmvad.extraction.waveform import resampled, snippet_ends, tick_ends, tick_of_snippet, windows

MAY_MISS_SECONDS = 1.0
"""By which the sound may end before the picture without a word."""
Item = TypeVar("Item")
Timer = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Listener:
    """One tower's way through the sound of videos.

    Attributes:
        window: windows end with their snippet, or stand on torchvggish's grid.
        track: counted from 0.
        batch: windows a call.
        encode: prepared windows [N, ...] to rows [N, width].
        timed: the time spent inside counts for a stage.
    """

    tower: AudioTower
    window: AudioWindow
    track: int
    batch: int
    encode: Callable[[np.ndarray], np.ndarray]
    timed: Timer

    def rows(
        self, path: Path, starts: np.ndarray, notes: list[str], advance: Callable[[float], object]
    ) -> np.ndarray | None:
        """float32 [n, width], one row a snippet of those that begin at `starts`; None, and a note, without sound.

        Tells `advance` the share of the sound, from 0 to 1.
        """
        track, taken = sound(path, self.track, notes), Duration(self.tower.rate)
        if track is None:
            return None
        blocks = taken.through(resampled(track.blocks, track.rate, self.tower.rate))
        first = next(blocks, None)
        if first is None:
            notes.append(NO_SOUND)
            return None
        tick = self.window == "tick"
        ends: list[int] = list(tick_ends(float(starts[-1]))) if tick else snippet_ends(starts, self.tower.rate)
        cut = windows(chain([first], blocks), ends, self.tower.window, to_the_last=not tick)
        found = list[np.ndarray]()
        for rows in self._encoded(cut):
            found.append(rows)
            advance(sum(map(len, found)) / len(ends))
        if taken.seconds < starts[-1] - MAY_MISS_SECONDS:
            notes.append(f"the sound ends at {taken.seconds:.1f} s of {starts[-1]:.1f} s: silence from there on")
        whole = np.concatenate(found)
        return whole[tick_of_snippet(starts, len(whole))] if tick else whole

    def _encoded(self, cut: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        groups = batches(map(self.tower.prepare, cut), self.batch)
        while True:
            with self.timed("sound"):
                group = next(groups, None)
            if group is None:
                return
            yield self.encode(np.stack(group))


@dataclass
class Duration:
    """How many seconds of a waveform at `rate` were taken."""

    rate: int
    seconds: float = 0.0

    def through(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The same blocks."""
        for block in blocks:
            self.seconds += len(block) / self.rate
            yield block


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, the last one shorter."""
    source = iter(items)
    while group := list(islice(source, size)):
        yield group
