"""What a benchmark is: its classes, its official counts, its frames; a video's label and its annotated events.

Facts and arithmetic only: no tensors, no torch. Snippet, frame and second arithmetic lives here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mmvad.errors import UserError, nearest_name

if TYPE_CHECKING:
    import numpy as np

SNIPPET_FRAMES = 16
"""Frames that one snippet (one feature row) stands for."""

Split = Literal["train", "test"]


@dataclass(frozen=True)
class AnomalyClass:
    """One class: the key that lists and annotations use, and the words that the text encoder reads."""

    key: str
    prompt: str


@dataclass(frozen=True)
class Event:
    """An annotated event of one class, in frames, end-exclusive; it may end after the last snippet."""

    label: str
    start: int
    end: int


@dataclass(frozen=True)
class Video:
    """One video of a split, with what is known of it.

    Attributes:
        labels: class keys of the video-level label, in the order of the benchmark's classes; the normal class alone
            for a normal video.
        events: events with their class, uncut (test split; empty in training).
        intervals: frame ground truth as (start, end) pairs, end-exclusive, uncut (test split).
    """

    name: str
    split: Split
    labels: tuple[str, ...]
    events: tuple[Event, ...] = ()
    intervals: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """The facts of one benchmark.

    Attributes:
        classes: the normal class first.
        official_counts: videos in the official train and test split; 0 where the size is free.
        test_crop: the crop that the public protocol tests on.
        headline: the metric that the benchmark is known for, `ap` or `auc`.
        audio: whether a release has sound: `required`, `optional` or `none` are the values of `data.audio`.
        normal_events: the published mAP gives every normal video one event of the normal class over all its frames.
    """

    name: str
    title: str
    classes: tuple[AnomalyClass, ...]
    frames_per_second: float
    official_counts: dict[str, int]
    test_crop: int
    headline: Literal["ap", "auc"]
    audio: Literal["required", "optional", "none"]
    normal_events: bool

    @property
    def class_keys(self) -> tuple[str, ...]:
        return tuple(c.key for c in self.classes)

    @property
    def normal(self) -> str:
        return self.classes[0].key

    def class_index(self, key: str, where: object) -> int:
        """The class's place in `classes`. Raises UserError, naming `where`, for an unknown key."""
        if key not in self.class_keys:
            raise UserError(
                where,
                f"unknown class {key!r}",
                expected=f"one of {', '.join(self.class_keys)} ({self.title})",
                nearest=nearest_name(key, self.class_keys),
            )
        return self.class_keys.index(key)


def frame_count(snippets: int) -> int:
    """Frames that a video of so many snippets is scored on."""
    return snippets * SNIPPET_FRAMES


def frame_truth(intervals: Sequence[tuple[int, int]], snippets: int) -> np.ndarray:
    """Ground truth of one video: bool [16 * snippets]; intervals are end-exclusive and cut to the video."""
    import numpy as np  # here alone, so that a configuration, which knows the benchmarks, is read without it

    truth = np.zeros(frame_count(snippets), dtype=bool)
    for start, end in intervals:
        truth[max(start, 0) : max(end, 0)] = True
    return truth


def snippet_seconds(index: int, frames_per_second: float) -> float:
    """The second at which a snippet begins."""
    return index * SNIPPET_FRAMES / frames_per_second
