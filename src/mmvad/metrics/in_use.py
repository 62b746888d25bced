"""The parts of a report that came after its frame metrics and its mAP: measures of use, and several annotators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.annotators import ANNOTATORS, annotator_figures
from mmvad.metrics.judged import Thresholds
from mmvad.metrics.measures import USE, measures
from mmvad.metrics.scored_video import ScoredVideo


def in_use(
    benchmark: Benchmark,
    videos: Sequence[ScoredVideo],
    held_out: Thresholds | None = None,
    *,
    trapezoid: bool = False,
) -> dict[str, Any]:
    """`use`, as `measures` has it, and `annotators` where the test set has several, as `annotator_figures` has it."""
    several = annotator_figures(videos, trapezoid=trapezoid)
    return {USE: measures(benchmark, videos, held_out), **({ANNOTATORS: several} if several else {})}
