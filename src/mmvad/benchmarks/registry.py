"""The benchmarks by name."""

from __future__ import annotations

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.demo_clips import DEMO_CLIPS
from mmvad.benchmarks.planted import PLANTED
from mmvad.benchmarks.ucf_crime import UCF_CRIME
from mmvad.benchmarks.xd_violence import XD_VIOLENCE
from mmvad.errors import UserError, nearest_name

BENCHMARKS: dict[str, Benchmark] = {b.name: b for b in (PLANTED, UCF_CRIME, XD_VIOLENCE, DEMO_CLIPS)}


def benchmark(name: str) -> Benchmark:
    """The facts of the benchmark of that name. Raises UserError, with the nearest name, for an unknown one."""
    if name not in BENCHMARKS:
        key = name.lower().replace("-", "_")
        by_start = next((b for b in BENCHMARKS if key and b.startswith(key)), None)
        raise UserError(
            "benchmark",
            f"unknown benchmark {name!r}",
            expected=f"one of {', '.join(BENCHMARKS)}",
            nearest=by_start or nearest_name(key, BENCHMARKS),
        )
    return BENCHMARKS[name]
