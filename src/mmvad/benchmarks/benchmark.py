"""What a benchmark is: its classes, its official counts, its frames; a video's label and its annotated events.

Facts only: no tensors, no torch. `timeline.py` has the arithmetic of rows, frames and seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mmvad.benchmarks.definition import Definition, RowSpan, Split
from mmvad.benchmarks.timeline import PUBLISHED, Timing
from mmvad.errors import UserError, nearest_name


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


Annotators = tuple[tuple[str, tuple[tuple[int, int], ...]], ...]
"""Further annotators by name, each with the intervals that it calls abnormal: (start, end) in frames, end-exclusive."""


@dataclass(frozen=True)
class Video:
    """One video of a split, with what is known of it.

    Attributes:
        labels: class keys of the video-level label, in the order of the benchmark's classes; the normal class alone
            for a normal video.
        events: events with their class, uncut (test split; empty in training).
        intervals: frame ground truth as (start, end) pairs, end-exclusive, uncut (test split).
        timing: which frames its rows of features stand for.
        annotators: what further annotators call abnormal (test split).
    """

    name: str
    split: Split
    labels: tuple[str, ...]
    events: tuple[Event, ...] = ()
    intervals: tuple[tuple[int, int], ...] = ()
    timing: Timing = PUBLISHED
    annotators: Annotators = ()


@dataclass(frozen=True)
class Benchmark:
    """The facts of one benchmark, as its file says them.

    Attributes:
        classes: the normal class first.
        official_counts: videos in the official train and test split; 0 where the size is free.
        test_crop: the crop that the public protocol tests on.
        headline: the metric that the benchmark is known for, `ap` or `auc`.
        audio: whether a release has sound: `required`, `optional` or `none` are the values of `data.audio`.
        normal_events: the published mAP gives every normal video one event of the normal class over all its frames.
        definition: its file, as it was read.
        folder: where a user's file lies, from which its places are seen; None for a benchmark that comes with mmvad.
        fold: which of its splits is meant, where it has several.
        file: the path that it was read from, as it was given; None where it was meant by its name.
    """

    name: str
    title: str
    classes: tuple[AnomalyClass, ...]
    frames_per_second: float
    official_counts: dict[Split, int]
    test_crop: int
    headline: Literal["ap", "auc"]
    audio: Literal["required", "optional", "none"]
    normal_events: bool
    definition: Definition | None = None
    folder: Path | None = None
    fold: str | None = None
    file: Path | None = None

    @property
    def written(self) -> str:
        """How a command means it: its name, or the path of a user's file that was given."""
        return str(self.file or self.name)

    @property
    def own(self) -> bool:
        """Whether it is a user's."""
        return self.folder is not None

    @property
    def settings(self) -> str:
        """The benchmark whose base configuration and sweeps its runs begin with."""
        return self.definition.settings if self.own and self.definition else self.name

    @property
    def facts(self) -> dict[str, Any]:
        """What its file says of it, without the places of files: enough to read a bank or a run without the file."""
        places = {"videos", "events", "annotators", "features"}
        return self.definition.model_dump(mode="json", exclude_defaults=True, exclude=places) if self.definition else {}

    @property
    def deciding(self) -> dict[str, Any]:
        """What of a user's file decides a run's numbers besides the bank."""
        classes = [[c.key, c.prompt] for c in self.classes]
        return {"classes": classes, "headline": self.headline, "normal_events": self.normal_events}

    @property
    def row(self) -> RowSpan:
        """What a row of its features stands for."""
        return self.definition.row if self.definition else RowSpan(frames=16)

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of its splits, where it has several."""
        return self.definition.folds if self.definition else ()

    def in_fold(self, fold: str) -> Benchmark:
        """The benchmark in one of its folds. Raises UserError, with the nearest, for one that it does not have."""
        if fold not in self.folds:
            expected = f"one of {', '.join(self.folds)}" if self.folds else f"none: {self.title} has one split"
            nearest = nearest_name(fold, self.folds)
            raise UserError("data.fold", f"{self.title} has no fold {fold!r}", expected=expected, nearest=nearest)
        return replace(self, fold=fold)

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
