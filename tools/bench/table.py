"""The bench's tables, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from tools.bench.growth import Growth
from tools.bench.timing import Row

HEADS = (
    "part",
    "ours s",
    "plain s",
    "ratio",
    "by CPU s",
    "rate",
    "GFLOP (plain)",
    "of peak",
    "memory MiB (plain)",
    "reached",
)


def row_table(rows: Sequence[Row], peak: float) -> str:
    """A line a row, and its notes below it in a list."""
    lines = [_line(HEADS), _line(["---"] * len(HEADS))]
    lines += [_line(_cells(row, peak)) for row in rows]
    notes = [
        f"- {row.name}: " + ", ".join(f"{k} {_short(v)}" for k, v in row.notes.items()) for row in rows if row.notes
    ]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def growth_table(growths: Sequence[Growth]) -> str:
    """A line a curve, with its exponents."""
    lines = [_line(["growth", "over", "sizes", "seconds", "time ~ x^", "memory ~ x^"]), _line(["---"] * 6)]
    for g in growths:
        memory = "" if g.memory_exponent is None else f"{g.memory_exponent:.2f}"
        seconds = ", ".join(f"{s:.3g}" for s in g.seconds)
        sizes = ", ".join(map(str, g.sizes))
        lines.append(_line([g.name, g.over, sizes, seconds, f"{g.time_exponent:.2f}", memory]))
    return "\n".join(lines)


def reached(row: Row) -> bool | None:
    """Whether the row is as fast as it should be; None where nothing is asked of it."""
    if row.limit is not None:
        return row.seconds <= row.limit
    return None if row.wanted is None or row.ratio is None else row.ratio >= row.wanted


def _cells(row: Row, peak: float) -> list[str]:
    requested = (
        f"<= {row.limit:g} s" if row.limit is not None else f">= {row.wanted:g}" if row.wanted is not None else ""
    )
    done = reached(row)
    return [
        row.name,
        f"{row.seconds:.3g}",
        "" if row.plain_seconds is None else f"{row.plain_seconds:.3g}",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}",
        "" if row.amount is None else f"{row.amount / row.seconds:.3g} {row.unit}/s",
        f"{row.flops / 1e9:.1f}" + ("" if row.plain_flops is None else f" ({row.plain_flops / 1e9:.1f})")
        if row.flops
        else "",
        f"{row.flops / row.seconds / peak:.0%}" if row.flops else "",
        f"{row.memory / 2**20:.0f}" + ("" if row.plain_memory is None else f" ({row.plain_memory / 2**20:.0f})"),
        "" if done is None else f"{'yes' if done else 'NO'} ({requested})",
    ]


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
