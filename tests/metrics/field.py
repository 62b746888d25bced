"""The real test sets with deterministic scores, for the tests that hold figures against the reference."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mmvad.benchmarks.benchmark import AnomalyClass, Benchmark, Event
from mmvad.metrics.scored_video import ScoredVideo


def tiny_benchmark(keys: tuple[str, ...], normal_events: bool) -> Benchmark:
    classes = tuple(AnomalyClass(key, key) for key in keys)
    return Benchmark("tiny", "Tiny", classes, 24.0, {"train": 0, "test": 0}, 0, "ap", "none", normal_events)


def reference(field_data: Path, key: str) -> dict[str, Any]:
    return json.loads((field_data / "data" / "metric_reference.json").read_text())[key]


def field_benchmark(field_data: Path, dataset: str) -> Benchmark:
    module = _scores_module(field_data)
    return tiny_benchmark(tuple(module.UCF if dataset == "ucf" else module.XD), normal_events=dataset == "xd")


def field_videos(field_data: Path, dataset: str, stride: int) -> Iterator[ScoredVideo]:
    """Videos whose frame ground truth is their events', as the reference has it; no coarse score."""
    keys = field_benchmark(field_data, dataset).class_keys
    for name, label, events, probabilities in _scores_module(field_data).videos(dataset, 0, stride):
        labels = tuple(key for key in keys if key in label.split("-"))
        intervals = tuple((start, end) for _, start, end in events)
        yield ScoredVideo(name, labels, tuple(Event(*event) for event in events), intervals, None, probabilities)


def perfect(video: ScoredVideo, keys: tuple[str, ...]) -> np.ndarray:
    """Probability 1 for an event's class in every snippet that the event touches, else for the normal class."""
    rows = np.zeros_like(video.class_probabilities)
    for event in video.events:
        rows[event.start // 16 : -(-event.end // 16), keys.index(event.label)] = 1.0
    rows[~rows.any(axis=1), 0] = 1.0
    return rows


def _scores_module(field_data: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("field_scores", field_data / "tools" / "scores.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
