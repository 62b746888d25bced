"""From decoded frames to rows: each of some towers takes the frames that it wants, of one pass over the video."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmvad.extraction.crops import crop_frame
from mmvad.extraction.media import pictures
from mmvad.extraction.snippets import Sample, Shown, Snippets
from mmvad.extraction.towers import VisualTower, prepared_picture
from mmvad.system.prefetch import prefetched


class View(NamedTuple):
    """What a tower shall see next: uint8 [crops, size, size, 3], or [crops, frames, size, size, 3]; by which viewer."""

    viewer: int
    sample: Sample
    images: np.ndarray


class Viewer:
    """One tower's way through one video.

    Args:
        encode: pictures [N, ...] to rows [N, width].
        batch: pictures a call of it.
    """

    def __init__(
        self,
        tower: VisualTower,
        snippets: Snippets,
        crops: int,
        batch: int,
        encode: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self.tower, self.snippets, self.crops, self.encode = tower, snippets, crops, encode
        self.size = max(1, batch // (crops * tower.frames))
        self._frames: list[np.ndarray] = []
        self._group: list[View] = []
        self._rows: list[np.ndarray] = []

    def prepared(self, samples: Iterable[Sample]) -> Iterator[tuple[Sample, np.ndarray]]:
        """Whole rows of pictures, of the frames that count."""
        for sample in samples:
            images = self._images(sample.shown)
            if self.tower.frames == 1:
                yield sample, images
                continue
            self._frames += [images] * sample.times
            if len(self._frames) == self.tower.frames:
                yield sample, np.stack(self._frames, axis=1)
                self._frames = []

    def take(self, view: View) -> bool:
        """Takes what is next; whether the network was called."""
        self._group.append(view)
        return len(self._group) == self.size and self._call()

    def rows(self) -> np.ndarray:
        """All that there is: float32 [n, crops, width]."""
        if self._group:
            self._call()
        return np.stack(self._rows)

    def _images(self, shown: Shown) -> np.ndarray:
        tower = self.tower
        return crop_frame(shown.rgb(), self.crops, lambda frame: prepared_picture(tower, frame), tower.size)

    def _call(self) -> bool:
        features = self.encode(np.concatenate([view.images for view in self._group]))
        for view, feature in zip(self._group, features.reshape(len(self._group), self.crops, -1)):
            if view.sample.snippet == len(self._rows):
                self._rows.append(np.zeros_like(feature))
            self._rows[view.sample.snippet] += view.sample.share * feature
        self._group = []
        return True


class _Once:
    """A frame whose colours are computed once, however many towers ask for them."""

    def __init__(self, shown: Shown) -> None:
        self.seconds, self.duration = shown.seconds, shown.duration
        self._shown, self._colours = shown, np.zeros(0, dtype=np.uint8)

    def rgb(self) -> np.ndarray:
        if not self._colours.size:
            self._colours = self._shown.rgb()
        return self._colours


def see(
    path: Path,
    viewers: Sequence[Viewer],
    notes: list[str],
    clock: Callable[[Iterator[View]], Generator[View, None, None]],
    advance: Callable[[float], object],
) -> list[np.ndarray]:
    """Every viewer's rows, float32 [n, crops, width]; the video is decoded once, in a thread beside the networks.

    Args:
        notes: takes what is wrong with the file, in words.
        clock: times what is made ahead.
        advance: is told the second that was reached.
    """
    depth = 2 * sum(viewer.size for viewer in viewers)
    with closing(prefetched(clock(_views(path, viewers, notes)), depth)) as views:
        for view in views:
            if viewers[view.viewer].take(view):
                advance(view.sample.shown.seconds)
    return [viewer.rows() for viewer in viewers]


def _views(path: Path, viewers: Sequence[Viewer], notes: list[str]) -> Iterator[View]:
    for picture in pictures(path, notes):
        once = _Once(picture)
        for nth, viewer in enumerate(viewers):
            for sample, images in viewer.prepared(viewer.snippets.see(once)):
                yield View(nth, sample, images)
    for nth, viewer in enumerate(viewers):
        for sample, images in viewer.prepared(viewer.snippets.rest()):
            yield View(nth, sample, images)
