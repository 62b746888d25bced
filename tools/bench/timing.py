"""Times of two forms of one thing, in turns, so that what else the machine does meets both alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

Form = Callable[[], object]


@dataclass(frozen=True)
class Cost:
    """One run: wall seconds, CPU seconds of all threads, and the highest memory above the start, in bytes."""

    wall: float
    cpu: float
    memory: int


@dataclass
class Row:
    """One line of the table: medians over the turns. `plain` figures are None where there is no plain form.

    Attributes:
        ratio: median over the turns of plain wall time / ours; `cpu_ratio` likewise, less hurt by a busy machine.
        amount, unit: how much one run does, for a rate.
        wanted: what the ratio, or with `limit` our seconds, should reach.
        notes: more figures of the row, by name.
    """

    part: str
    name: str
    seconds: float
    cpu_seconds: float
    memory: int
    plain_seconds: float | None = None
    plain_memory: int | None = None
    ratio: float | None = None
    cpu_ratio: float | None = None
    amount: float | None = None
    unit: str = ""
    flops: int = 0
    plain_flops: int | None = None
    wanted: float | None = None
    limit: float | None = None
    notes: dict[str, float | str] = field(default_factory=dict)


def cost(form: Form) -> Cost:
    """Runs it once."""
    before = _reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    form()
    spent = time.perf_counter() - wall, time.process_time() - cpu
    return Cost(*spent, max(_peak() - before, 0))


def compare(part: str, name: str, ours: Form, plain: Form | None, repeats: int, *, warm: bool = True) -> Row:
    """Runs ours and plain in turns; once each before, if `warm`, so that neither pays for what comes first."""
    forms = [ours, plain] if plain is not None else [ours]
    for form in forms if warm else []:
        form()
    turns = [[cost(form) for form in forms] for _ in range(repeats)]
    row = Row(
        part,
        name,
        median(turn[0].wall for turn in turns),
        median(turn[0].cpu for turn in turns),
        max(turn[0].memory for turn in turns),
    )
    if plain is not None:
        row.plain_seconds = median(turn[1].wall for turn in turns)
        row.plain_memory = max(turn[1].memory for turn in turns)
        row.ratio = median(turn[1].wall / max(turn[0].wall, 1e-9) for turn in turns)
        row.cpu_ratio = median(turn[1].cpu / max(turn[0].cpu, 1e-9) for turn in turns)
    return row


def count_flops(form: Form) -> int:
    """Floating-point operations of matrix products, convolutions and attention in one run, backward with it."""
    with FlopCounterMode(display=False) as counter:
        form()
    return counter.get_total_flops()


def peak_rate(size: int = 2048, seconds: float = 1.0, like: Tensor | None = None) -> float:
    """The machine's rate by products of square matrices, in operations a second: the best of some.

    Args:
        like: a tensor of the device and type to measure; float32 on the CPU without.
    """
    x = torch.randn(size, size) if like is None else torch.randn(size, size).to(like)
    products = 1 if like is None else 10  # a GPU is asked for many at once
    best, end = 0.0, time.perf_counter() + seconds

    def multiply() -> None:
        for _ in range(products):
            x @ x
        if x.is_cuda:
            torch.cuda.synchronize()

    multiply()
    while time.perf_counter() < end or not best:
        best = max(best, products * 2 * size**3 / cost(multiply).wall)
    return best


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of log value over log size, by least squares."""
    x, y = torch.tensor([sizes, values], dtype=torch.float64).log()
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum())


def _reset_peak() -> int:
    """Memory in use now, in bytes; the peak counts anew from here where the system can do that (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(key: str) -> int:
    """A figure of /proc/self/status in bytes; 0 where there is none."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))
    return 0
