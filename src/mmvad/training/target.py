"""A run on another bank's test set: what it is tested on, and every figure of what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmvad.bank.bank import Bank
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.config.schema import Config
from mmvad.metrics.evaluate import evaluate, map_figures
from mmvad.metrics.in_use import in_use
from mmvad.metrics.judged import Thresholds
from mmvad.metrics.measures import REASONS, USE, measures
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.training.class_map import ClassMap, mapped

NONE_MAPPED = "no abnormal class of the run stands for one of this benchmark"


@dataclass(frozen=True)
class Target:
    """What is tested on: a bank, its benchmark, the configuration that reads it, and the classes that are told apart.

    Attributes:
        open_vocabulary: the network is given the target's class names.
    """

    bank: Bank
    benchmark: Benchmark
    config: Config
    classes: ClassMap
    open_vocabulary: bool


def figures(target: Target, named: Benchmark, videos: Sequence[ScoredVideo], thresholds: Thresholds) -> dict[str, Any]:
    """Every figure: of frames and of use over all videos, of mAP and of classes over the mapped classes.

    Args:
        named: the benchmark whose classes the network's probabilities are of.
        thresholds: by score, those from the held-out videos of the run's own training.
    """
    trapezoid, keys = target.config.quirks.trapezoid_ap, target.benchmark.class_keys
    everything = [_with_classes(v, target, named, keys) for v in videos]
    found = {
        **evaluate(target.benchmark, everything, trapezoid=trapezoid),
        **in_use(target.benchmark, everything, thresholds, trapezoid=trapezoid),
    }
    kept = tuple(c for c in target.benchmark.classes if c.key in target.classes)
    if len(kept) < len(keys):
        part = replace(target.benchmark, classes=kept)
        mappable = [_of_classes(v, target, named, part) for v in videos if len(kept) > 1]
        found["map"] = map_figures(part, mappable, *([NONE_MAPPED] if len(kept) == 1 else []))
        found[USE] = {**found[USE], "fine": {**found[USE]["fine"], **_of_mapped(found[USE]["fine"], part, mappable)}}
    return found


def _of_mapped(fine: dict[str, Any], part: Benchmark, videos: Sequence[ScoredVideo]) -> dict[str, Any]:
    """The measures of classes over the mapped ones, and the reasons of all."""
    known = measures(part, videos)["fine"] if videos else {}
    names = [name for name in fine if name.startswith("class_")]
    reasons = {name: known.get(REASONS, {}).get(name, NONE_MAPPED) for name in names if known.get(name) is None}
    others = {name: why for name, why in fine[REASONS].items() if name not in names}
    return {**{name: known.get(name) for name in names}, REASONS: {**others, **reasons}}


def _with_classes(video: ScoredVideo, target: Target, named: Benchmark, keys: Sequence[str]) -> ScoredVideo:
    """The video with probabilities of some of the target's classes; as they are, where these are the network's own."""
    same = tuple(keys) == named.class_keys and all(target.classes.get(key) == (key,) for key in keys)
    if video.class_probabilities is None or same:
        return video
    return replace(video, class_probabilities=mapped(video.class_probabilities, target.classes, named, keys))


def _of_classes(video: ScoredVideo, target: Target, named: Benchmark, part: Benchmark) -> ScoredVideo:
    """The video as far as the mapped classes go: an abnormal one of other classes has no event, and is not normal."""
    events = tuple(event for event in video.events if event.label in part.class_keys)
    return replace(_with_classes(video, target, named, part.class_keys), events=events)
