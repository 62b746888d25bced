"""One run of the bench: the parts that are asked for, a table, and JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mmvad.system.device import training_device
from mmvad.system.disk import write_whole
from mmvad.system.progress import track
from mmvad.training.provenance import provenance
from tools.bench.figures import metric_rows
from tools.bench.files import gather_rows, import_rows, startup_rows
from tools.bench.gpu import gpu_rows
from tools.bench.growth import Growth, growths
from tools.bench.live import watch_rows
from tools.bench.peers import peer_rows
from tools.bench.savings import savings_rows
from tools.bench.steps import objective_rows, step_rows, test_rows, text_rows
from tools.bench.table import growth_table, row_table
from tools.bench.timing import Row, peak_rate
from tools.bench.towers import tower_rows

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
    "peers": peer_rows,
    "watch": watch_rows,
    "towers": tower_rows,
}
PARTS = (*ROWS, "growth", "gpu")


def run_bench(
    parts: Sequence[str],
    out: Path,
    *,
    quick: bool,
    threads: int,
    repeats: int,
    public: Path | None = None,
    methods: Sequence[str] = (),
    videos: int = 0,
) -> list[Row]:
    """Runs the parts, prints the table, and leaves `bench.json` and `bench.md` in `out`.

    Args:
        public, methods, videos: of the part `peers`, as `peer_rows` takes them.
    """
    position = training_device("cpu", "auto", threads)
    peak = peak_rate(256 if quick else 2048, 0.1 if quick else 2.0)
    known = ROWS | {"peers": partial(peer_rows, public=public, methods=methods, videos=videos)}
    chosen = [part for part in known if part in parts]
    rows = [row for part in track(chosen, "bench", len(chosen)) for row in known[part](quick, repeats)]
    grown = list(growths(quick)) if "growth" in parts else []
    on_gpu = on_the_gpu(quick) if "gpu" in parts and torch.cuda.is_available() else OnGpu()
    blocks = [_head(quick, peak), row_table(rows, peak), growth_table(grown) if grown else "", on_gpu.table()]
    table = "\n\n".join(block for block in blocks if block)
    print(table)
    if "gpu" in parts and not on_gpu.name:
        print("\nno CUDA device: steps on a GPU were not measured")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "bench.md", (table + "\n").encode())
    content = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "peak": peak,
        "rows": [asdict(row) for row in rows],
        "growth": [_plain(growth) for growth in grown],
        "gpu": asdict(on_gpu),
        **provenance(position),
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

    def table(self) -> str:
        """Its name and its rows; nothing without one."""
        head = f"{self.name}, bf16-mixed, peak by matrix product {self.peak / 1e12:.0f} TFLOP/s"
        return f"{head}\n\n{row_table(self.rows, self.peak)}" if self.name else ""


def on_the_gpu(quick: bool) -> OnGpu:
    """The part `gpu`."""
    position = training_device("cuda", "auto")
    like = torch.empty(0, dtype=torch.bfloat16, device=position.torch)
    peak = peak_rate(1024 if quick else 8192, 0.5, like)
    return OnGpu(position.reason, peak, list(gpu_rows(quick, position)))


def _head(quick: bool, peak: float) -> str:
    kind = "quick: sizes too small for figures; " if quick else ""
    return f"{kind}{torch.get_num_threads()} threads, float32, peak by matrix product {peak / 1e9:.0f} GFLOP/s"


def _plain(growth: Growth) -> dict[str, Any]:
    return {**asdict(growth), "time_exponent": growth.time_exponent, "memory_exponent": growth.memory_exponent}
