"""One test video as the metrics see it: its ground truth, and what a network gave for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmvad.benchmarks.benchmark import Annotators, Event
from mmvad.metrics.frame import snippet_frame_edges


@dataclass(frozen=True)
class ScoredVideo:
    """One test video's ground truth and its network's outputs.

    Attributes:
        labels: class keys of the video's label; the normal class alone for a normal video.
        events: events with their class, in frames, uncut.
        intervals: frame ground truth as (start, end) pairs in frames, end-exclusive, uncut.
        coarse: the coarse branch's probability, float [n] over rows; None where that branch was not trained.
        class_probabilities: softmax over classes, float [n, C], normal first; None likewise.
        combined: the method's own score, float [n], where it is not the larger one of the two; None where it is.
        edges: the frames at which rows begin, and the last one's end, int64 [n + 1]; None for snippets of 16 frames.
        fps: its frames a second, where it has others than its benchmark.
        annotators: further annotators' frame ground truth, by name.
    """

    name: str
    labels: tuple[str, ...]
    events: tuple[Event, ...]
    intervals: tuple[tuple[int, int], ...]
    coarse: np.ndarray | None
    class_probabilities: np.ndarray | None
    combined: np.ndarray | None = None
    edges: np.ndarray | None = None
    fps: float | None = None
    annotators: Annotators = ()

    @property
    def snippets(self) -> int:
        """Rows of scores."""
        present = (part for part in (self.combined, self.coarse, self.class_probabilities) if part is not None)
        return len(next(present, ()))

    @property
    def frame_edges(self) -> np.ndarray:
        """The frames at which rows begin, and the last one's end, int64 [n + 1]."""
        return snippet_frame_edges(self.snippets) if self.edges is None else self.edges

    @property
    def row_frames(self) -> np.ndarray:
        """Frames of each row, int64 [n]."""
        return np.diff(self.frame_edges)
