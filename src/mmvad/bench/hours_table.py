"""The hours of all tables, and the steps and starts that they rest on, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmvad.bench.hours import SEEDS, Projection

MISSING = "not measured"


def projection_table(found: Sequence[Projection]) -> str:
    """Hours by sweep, steps, starts, and a note a benchmark."""
    blocks = (hours_table(found), step_table(found), start_table(found), "\n".join(map(_note, found)))
    return "\n\n".join(blocks)


def hours_table(found: Sequence[Projection]) -> str:
    rows = [[each.benchmark, sweep, f"{hours:.2f}"] for each in found for sweep, hours in each.hours.items()]
    rows += [[each.benchmark, "all", MISSING] for each in found if each.failed]
    alone = [None if each.failed else sum(each.hours.values()) for each in found]
    rows.append(["all", f"{SEEDS} seeds, one run at a time", _total(alone)])
    rows.append(["all", f"{SEEDS} seeds, the peers beside ours", _total([each.beside for each in found])])
    return _table(["benchmark", "sweep", "hours"], rows)


def step_table(found: Iterable[Projection]) -> str:
    rows = []
    for each in found:
        for name, count in each.cells.items():
            step = MISSING if name in each.failed else f"{1000 * each.steps[name]:.1f}"
            rows.append([each.benchmark, name, str(count), step])
    return _table(["benchmark", "steps of", "cells", "ms a step"], rows)


def start_table(found: Iterable[Projection]) -> str:
    """Those of ours and of the peers; all benchmarks have the same."""
    starts = dict.fromkeys(pair for each in found for pair in each.starts.items())
    rows = [[whose, s.of, *(f"{x:.1f}" for x in (s.cold, s.warm, s.related))] for whose, s in starts]
    return _table(["starts counted for all of", "measured with", "cold s", "warm s", "related s"], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _total(hours: Sequence[float | None]) -> str:
    known = [each for each in hours if each is not None]
    return f"{sum(known):.1f}" if len(known) == len(hours) else MISSING


def _note(each: Projection) -> str:
    if each.failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in each.failed.items())
        return f"- {each.benchmark}: {each.runs} runs; hours {MISSING}, for want of a step of {reasons}"
    total = sum(each.hours.values())
    head = f"- {each.benchmark}: {each.runs} runs; ours {total - each.peers:.1f} hours, the peers {each.peers:.1f}"
    if each.beside is None:
        return f"{head}; ours beside {each.pair.peer} {MISSING}: {each.pair.problem}"
    steps = f"{1000 * each.pair.our_step:.1f} and {1000 * each.pair.peer_step:.1f} ms a step"
    return f"{head}; beside each other {each.beside:.1f} (ours and {each.pair.peer} at once: {steps})"
