"""One run of the bench: the parts that are asked for, a table, and JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from mmvad.bench.figures import metric_rows
from mmvad.bench.files import gather_rows, import_rows, startup_rows
from mmvad.bench.gpu import gpu_rows
from mmvad.bench.growth import Growth, growths
from mmvad.bench.hours import Projection
from mmvad.bench.hours_table import projection_table
from mmvad.bench.plain import plain_form
from mmvad.bench.savings import savings_rows
from mmvad.bench.steps import (
    objective_rows,
    step_rows,
    test_rows,
    text_rows,
)
from mmvad.bench.table import growth_table, row_table
from mmvad.bench.tables import projections
from mmvad.bench.timing import Row, peak_rate
from mmvad.config.schema import Runtime
from mmvad.system.device import provenance, training_device
from mmvad.system.disk import write_whole
from mmvad.system.progress import track

ROWS: dict[str, Callable[[bool, int], Iterator[Row]]] = {
    "steps": step_rows,
    "savings": savings_rows,
    "text": text_rows,
    "objectives": objective_rows,
    "test": test_rows,
    "metrics": metric_rows,
    "import": import_rows,
    "gather": gather_rows,
    "startup": startup_rows,
}


def run_bench(parts: Sequence[str], out: Path, *, quick: bool, threads: int, repeats: int) -> list[Row]:
    """Runs the parts, prints the table, and leaves `bench.json` and `bench.md` in `out`. Raises UserError."""
    plain_form("training")
    place = training_device(Runtime(device="cpu", threads=threads))
    peak = peak_rate(256 if quick else 2048, 0.1 if quick else 2.0)
    chosen = [part for part in ROWS if part in parts]
    rows = [row for part in track(chosen, "bench", len(chosen)) for row in ROWS[part](quick, repeats)]
    grown = list(growths(quick)) if "growth" in parts else []
    asked = bool({"gpu", "tables"} & set(parts))
    on_gpu = on_the_gpu(parts, quick) if asked and torch.cuda.is_available() else OnGpu()
    blocks = [_head(quick, peak), row_table(rows, peak), growth_table(grown) if grown else "", *on_gpu.tables()]
    table = "\n\n".join(block for block in blocks if block)
    print(table)
    if asked and not on_gpu.name:
        print("\nno CUDA device: steps on a GPU and the time of all tables were not measured")
    if quick and "tables" in parts:
        print("\na quick run leaves the time of all tables out: they have no small sizes")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "bench.md", (table + "\n").encode())
    content = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "peak": peak,
        "rows": [asdict(row) for row in rows],
        "growth": [_plain(growth) for growth in grown],
        "gpu": asdict(on_gpu),
        **provenance(place),
    }
    write_whole(out / "bench.json", (json.dumps(content, indent=1) + "\n").encode())
    print(f"\n{out / 'bench.json'}")
    return rows


@dataclass(frozen=True)
class OnGpu:
    """What a GPU gave: its name and peak in bf16; empty without one."""

    name: str = ""
    peak: float = 0.0
    rows: Sequence[Row] = ()
    projections: Sequence[Projection] = ()

    def tables(self) -> list[str]:
        head = f"{self.name}, bf16-mixed, peak by matrix product {self.peak / 1e12:.0f} TFLOP/s"
        rows = [row_table(self.rows, self.peak)] if self.rows else []
        hours = [projection_table(self.projections)] if self.projections else []
        return [head, *rows, *hours] if self.name else []


def on_the_gpu(parts: Sequence[str], quick: bool) -> OnGpu:
    """The parts `gpu` and `tables`."""
    place = training_device(Runtime(device="cuda"))
    like = torch.empty(0, dtype=torch.bfloat16, device=place.torch)
    peak = peak_rate(1024 if quick else 8192, 0.5, like)
    rows = list(gpu_rows(quick, place)) if "gpu" in parts else []
    return OnGpu(place.reason, peak, rows, projections(place) if "tables" in parts and not quick else [])


def _head(quick: bool, peak: float) -> str:
    kind = "quick: sizes too small for figures; " if quick else ""
    return f"{kind}{torch.get_num_threads()} threads, float32, peak by matrix product {peak / 1e9:.0f} GFLOP/s"


def _plain(growth: Growth) -> dict[str, Any]:
    return {**asdict(growth), "time_exponent": growth.time_exponent, "memory_exponent": growth.memory_exponent}
