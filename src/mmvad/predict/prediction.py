"""What is predicted of one video, in seconds. Plain arrays; nothing here knows how the scores were made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark


@dataclass(frozen=True)
class DetectedEvent:
    """A stretch of one abnormal class.

    Attributes:
        label: the class's key; `abnormal` where the run has no fine stream.
        start, end: seconds.
        score: by which the field's protocol ranks it: its peak + 0.7 x the mean of the class's highest scores.
        peak: the class's highest probability in it.
    """

    label: str
    start: float
    end: float
    score: float
    peak: float


@dataclass(frozen=True)
class TrueEvent:
    """An annotated stretch in seconds; `label` None where only the time is known."""

    start: float
    end: float
    label: str | None


@dataclass(frozen=True)
class Prediction:
    """One video's scores and what follows from them.

    Attributes:
        edges: seconds at which the snippets begin, and the last one's end: float64 [n + 1].
        scores: `combined`, and the branches that were trained (`coarse`, `fine`): float64 [n] each.
        probabilities: softmax over classes, normal first, float [n, C]; None without a fine stream.
        truth: annotated events, empty for a normal video; None where nothing is known.
        notes: what a reader must know: no sound, a truncated file, features made in another way.
        media: the video itself; None where only its features are at hand.
    """

    name: str
    benchmark: Benchmark
    edges: np.ndarray
    scores: dict[str, np.ndarray]
    probabilities: np.ndarray | None
    events: tuple[DetectedEvent, ...]
    truth: tuple[TrueEvent, ...] | None
    notes: tuple[str, ...]
    media: Path | None

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.edges[-1])

    def class_name(self, key: str | None) -> str:
        """A class in words."""
        return next((c.prompt for c in self.benchmark.classes if c.key == key), key or "abnormal")
