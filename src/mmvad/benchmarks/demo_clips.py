"""The demo's clips: facts of the 24 short films with sound that `mmvad demo-video` renders.

Fighting is only seen, shooting only heard, an explosion both.
"""

from __future__ import annotations

from mmvad.benchmarks.benchmark import AnomalyClass, Benchmark

DEMO_CLIPS = Benchmark(
    name="demo_clips",
    title="Demo clips",
    classes=(
        AnomalyClass("normal", "normal"),
        AnomalyClass("fighting", "fighting"),
        AnomalyClass("shooting", "shooting"),
        AnomalyClass("explosion", "explosion"),
    ),
    frames_per_second=24.0,
    official_counts={"train": 16, "test": 8},
    test_crop=0,
    headline="ap",
    audio="required",
    normal_events=True,
)
