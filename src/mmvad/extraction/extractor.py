"""From a video file to features: snippets of 16 frames through one tower, windows of sound through another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.extraction.audio import Listener
from mmvad.extraction.describing import describe
from mmvad.extraction.loading import audio_tower, visual_tower
from mmvad.extraction.media import probe
from mmvad.extraction.settings import TINY, ExtractionSettings
from mmvad.extraction.snippets import Snippets
from mmvad.extraction.towers import AudioTower, Tower, VisualTower, rows_of
from mmvad.extraction.visual import View, Viewer, see
from mmvad.system.device import torch_device, tower_precision

STAGES = ("network", "decode", "sound")
SOUND_SHARE = 0.1
"""Of a video's work, as the progress has it."""


@dataclass(frozen=True)
class VideoFeatures:
    """One video's features.

    Attributes:
        visual: crop -> float32 [n, d].
        audio: float32 [n, d_a], one row a snippet; None for a video without sound.
        starts: float64 [n + 1], the second at which each snippet begins, by the frames' own time stamps; the last one
            is where the last snippet ends.
        frames: how many were decoded.
        frames_per_second: the average over the file.
        warnings: what was wrong with the file, in words.
    """

    visual: dict[int, np.ndarray]
    audio: np.ndarray | None
    starts: np.ndarray
    frames: int
    frames_per_second: float
    warnings: tuple[str, ...] = ()


def no_progress(share: float) -> None:
    """Takes the share of a video that was worked through, and does nothing."""


class Steps:
    """How far a video is, from 0 to 1, told to `advance` in steps."""

    def __init__(self, advance: Callable[[float], object]) -> None:
        self.advance, self.reached = advance, 0.0

    def to(self, share: float) -> None:
        """The video is so far; it never goes back, nor beyond 1."""
        step = min(share, 1.0) - self.reached
        self.reached += max(step, 0.0)
        self.advance(max(step, 0.0))

    def part(self, begin: float, end: float) -> Callable[[float], object]:
        """Takes the share of one part of the work, which lies between these shares of the whole."""
        return lambda share: self.to(begin + min(share, 1.0) * (end - begin))


class Extractor:
    """Videos to features. Several threads may use one: they decode side by side and take turns at the networks.

    Attributes:
        image: the tower of pictures.
        sound: the tower of sound; None where none is extracted.
        seconds: where the time went, by stage: `network` (both towers), `decode` (frames and crops, in a thread of
            its own), `sound` (decoding, resampling, spectrograms).

    Raises UserError where weights or the device cannot be had.
    """

    def __init__(self, settings: ExtractionSettings) -> None:
        self.settings = settings
        self.device = torch_device(settings.device, "--device")
        self.precision = tower_precision(settings.precision, self.device)
        self.image: VisualTower = visual_tower(settings, self.device)
        self.sound: AudioTower | None = audio_tower(settings, self.device) if settings.audio else None
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self._turn = threading.Lock()

    def extract(self, path: Path, advance: Callable[[float], object] = no_progress) -> VideoFeatures:
        """The video's features, in memory that grows with the features alone.

        `advance` is told, after each batch of picture or sound, the share of the video that was worked through since
        the last; what it raises ends the extraction.
        Raises UserError, naming the file, where it cannot be read at all.
        """
        return extract_together([self], path, advance)[0]

    def describe(self) -> dict[str, Any]:
        """How features are made, plain JSON values: what decides them, and the versions of what computes them."""
        return describe(self.settings, self.image, self.sound, self.precision)

    def viewer(self) -> Viewer:
        """The way of its tower of pictures through one video."""
        settings, image = self.settings, self.image
        snippets = Snippets(settings.sampling, image.frames)
        return Viewer(image, snippets, settings.crops, settings.batch, lambda pictures: self._rows(image, pictures))

    def listener(self) -> Listener | None:
        """The way of its tower of sound, if it has one."""
        settings, sound = self.settings, self.sound
        if sound is None or not settings.audio:
            return None
        chosen = (settings.audio_window, settings.audio_track, settings.batch)
        return Listener(sound, *chosen, lambda prepared: self._rows(sound, prepared), self.timed)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """The time inside counts for the stage."""
        began = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - began

    def clock(self, views: Iterator[View]) -> Generator[View, None, None]:
        """The same, and the time that making them takes counts for `decode`."""
        while True:
            with self.timed("decode"):
                view = next(views, None)
            if view is None:
                return
            yield view

    def _rows(self, tower: Tower, prepared: np.ndarray) -> np.ndarray:
        """One thread's turn at the networks."""
        with self._turn, self.timed("network"):
            return rows_of(tower, prepared, self.device, self.precision)


def extract_together(
    extractors: Sequence[Extractor], path: Path, advance: Callable[[float], object] = no_progress
) -> list[VideoFeatures]:
    """The video's features in the way of each extractor, in one pass over its pictures.

    Sound is read once for all whose sound is made in one way. `advance` and errors are as of `Extractor.extract`.
    """
    notes: list[str] = []
    info, step = probe(path), Steps(advance)
    viewers, listeners = [extractor.viewer() for extractor in extractors], [one.listener() for one in extractors]
    heard = any(listeners)
    to = step.part(0, 1 - SOUND_SHARE * heard)
    seconds = info.duration_seconds
    visual = see(path, viewers, notes, extractors[0].clock, lambda at: to(at / seconds if seconds else 0.0))
    starts = viewers[0].snippets.boundaries()
    audio = _sound(path, extractors, listeners, starts, notes, step.part(1 - SOUND_SHARE, 1))
    step.to(1)
    told = (starts, viewers[0].snippets.frames, info.frames_per_second, tuple(dict.fromkeys(notes)))
    return [
        VideoFeatures({crop: np.ascontiguousarray(rows[:, crop]) for crop in range(rows.shape[1])}, sound, *told)
        for rows, sound in zip(visual, audio, strict=True)
    ]


def _sound(
    path: Path,
    extractors: Sequence[Extractor],
    listeners: Sequence[Listener | None],
    starts: np.ndarray,
    notes: list[str],
    advance: Callable[[float], object],
) -> list[np.ndarray | None]:
    """Every extractor's rows of sound; those of one way are made once."""
    ways = [str(extractor.describe()["audio"]) for extractor in extractors]
    wanted = {way: listener for way, listener in zip(ways, listeners, strict=True) if listener is not None}
    made = {}
    for nth, (way, listener) in enumerate(wanted.items()):
        made[way] = listener.rows(path, starts, notes, _part(advance, nth, len(wanted)))
    return [made.get(way) for way in ways]


def _part(advance: Callable[[float], object], nth: int, count: int) -> Callable[[float], object]:
    """Takes the share of one of so many equal parts."""
    return lambda share: advance((nth + share) / count)


def small_extractor(**changes: Any) -> Extractor:
    """An extractor that needs no download: a small CLIP, and a small network on VGGish's windows, of random weights.

    The weights are the same everywhere. `changes` replace fields of `ExtractionSettings`.
    """
    small = ExtractionSettings(visual_tower="tiny", visual_weights="random", audio_tower=TINY, audio_weights="random")
    return Extractor(replace(small, **changes))
