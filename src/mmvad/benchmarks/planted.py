"""The planted benchmark: facts of the embedded data set that needs no download.

Its videos are made, not filmed: the events are planted in both modalities, so that a model which finds them has learned
something. It follows XD-Violence in everything but its classes' keys, which are everyday words.
"""

from __future__ import annotations

from mmvad.benchmarks.benchmark import AnomalyClass, Benchmark

PLANTED = Benchmark(
    name="planted",
    title="Planted",
    classes=(
        AnomalyClass("normal", "normal"),
        AnomalyClass("fighting", "fighting"),
        AnomalyClass("shooting", "shooting"),
        AnomalyClass("riot", "riot"),
        AnomalyClass("abuse", "abuse"),
        AnomalyClass("crash", "car accident"),
        AnomalyClass("explosion", "explosion"),
    ),
    frames_per_second=24.0,
    official_counts={"train": 0, "test": 0},
    test_crop=0,
    headline="ap",
    audio="required",
    normal_events=True,
)
