"""What happens in each of the demo's clips: its event, and harmless things beside it. From the seed alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmvad.benchmarks.benchmark import Event, Split, Video
from mmvad.benchmarks.registry import DEMO_CLIPS

RATE = DEMO_CLIPS.frames_per_second
SHORTEST, LONGEST = 12.0, 18.0
"""Seconds of a clip."""
TRAINING = ("fighting", "shooting", "explosion") * 3 + ("normal",) * 7
HELD_OUT = ("fighting", "shooting", "explosion") * 2 + ("normal",) * 2
HARMLESS = ("car", "crowd", "tune", "wind")
"""A car drives past, people come together, a tune plays, wind blows: in any clip, events or not."""


@dataclass(frozen=True)
class Act:
    """Something that happens between two seconds; `kind` is an event's class or one of HARMLESS."""

    kind: str
    start: float
    end: float
    seed: int

    def strength(self, second: float) -> float:
        """0 outside; inside it rises and falls within a third of a second."""
        return float(np.clip(min(second - self.start, self.end - second) / 0.33 + 0.5, 0, 1))


@dataclass(frozen=True)
class Script:
    """One clip: its facts as the benchmark knows them, its length in frames, and what happens in it.

    `camera` seeds the place, the same in all clips; `seed` whatever else differs.
    """

    video: Video
    frames: int
    acts: tuple[Act, ...]
    camera: int
    seed: int

    @property
    def seconds(self) -> float:
        return self.frames / RATE


def write_scripts(seed: int) -> list[Script]:
    """The scripts of the 16 training clips, then of the 8 held-out ones."""
    splits: tuple[tuple[Split, tuple[str, ...]], ...] = (("train", TRAINING), ("test", HELD_OUT))
    return [
        _script(split, i, label, seed, np.random.default_rng([seed, part, i]))
        for part, (split, labels) in enumerate(splits)
        for i, label in enumerate(labels)
    ]


def _script(split: Split, position: int, label: str, camera: int, rng: np.random.Generator) -> Script:
    frames = int(rng.uniform(SHORTEST, LONGEST) * RATE)
    seconds = frames / RATE
    acts = [_act(kind, seconds, rng, 0.2, 0.4) for kind in HARMLESS if rng.random() < 0.6]
    events: tuple[Event, ...] = ()
    if label != DEMO_CLIPS.normal:
        act = _act(label, seconds, rng, 0.25, 0.4)
        acts.append(act)
        events = (Event(label, round(act.start * RATE), round(act.end * RATE)),)
    known = events if split == "test" else ()  # training knows that something happens, not when
    video = Video(f"{split}-{position:02d}-{label}", split, (label,), known, tuple((e.start, e.end) for e in known))
    return Script(video, frames, tuple(acts), camera, int(rng.integers(2**31)))


def _act(kind: str, seconds: float, rng: np.random.Generator, least: float, most: float) -> Act:
    length = seconds * rng.uniform(least, most)
    start = rng.uniform(0.5, seconds - length - 0.5)
    return Act(kind, start, start + length, int(rng.integers(2**31)))
