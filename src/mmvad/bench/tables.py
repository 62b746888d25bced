"""How long all of the paper's tables take on one GPU: the cells of the shipped sweeps times steps measured here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch._inductor.utils import fresh_cache

from mmvad.bench.cells import A_PROMPT_A_VIDEO, OURS, Cell, anchors, cells
from mmvad.bench.gpu import BENCHMARKS
from mmvad.bench.together import train_together
from mmvad.bench.training import train_steps
from mmvad.compiling import RUNS, forget_compiled
from mmvad.config.schema import Config
from mmvad.environment import Place
from mmvad.progress import track

SEEDS = 3
WARM, OUR_STEPS, PEER_STEPS = 5, 15, 30
"""Steps before those that are timed, and of these: a peer's are short."""


@dataclass(frozen=True)
class Anchor:
    """What an anchor's configuration took, in seconds.

    Attributes:
        step: a step.
        cold: until the first step had ended, its kernels built anew.
        warm: the same in a process that has compiled nothing, where an earlier run has filled torch's cache on disk.
        related: the same for another cell of this anchor, whose graph is another and most of whose kernels are cached.
        again: the same in a process that has compiled it for an earlier run.
    """

    step: float
    cold: float
    warm: float
    related: float
    again: float


@dataclass(frozen=True)
class Pair:
    """Ours and a peer trained at the same time: seconds a step of each, or why there are none."""

    peer: str
    our_step: float = 0.0
    peer_step: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Projection:
    """Hours of one benchmark's tables, all seeds.

    Attributes:
        runs: how many there are, those that learn nothing included.
        hours: by sweep, one run at a time.
        peers: hours of these that are the peers'.
        measured: the anchors.
        cells: how many cells each anchor stands for.
        pair: the step of ours and of a peer beside each other.
        beside: hours of all where the peers run beside ours; None where that was not measured.
    """

    benchmark: str
    runs: int
    hours: dict[str, float]
    peers: float
    measured: dict[str, Anchor]
    cells: dict[str, int]
    pair: Pair
    beside: float | None


def projections(place: Place, benchmarks: tuple[str, ...] = BENCHMARKS) -> Iterator[Projection]:
    """Measures the anchors of a benchmark and adds its cells up. What was compiled before is not used."""
    with fresh_cache():
        for name in benchmarks:
            listed = cells(name)
            wanted, last = anchors(listed, name), {cell.anchor: cell.config for cell in listed}
            tracked = track(wanted.items(), f"steps of {name}", len(wanted))
            measured = {anchor: measure(config, last[anchor], place) for anchor, config in tracked}
            yield project(name, listed, measured, measure_pair(listed, wanted, measured, place))


def measure(config: Config, related: Config, place: Place) -> Anchor:
    """Trains a few steps, and begins three times more: `related` is another cell's configuration, or the same."""
    steps = OUR_STEPS if config.model.name == OURS else PEER_STEPS
    forget_compiled()
    trained = train_steps(config, place, compiled=True, warm=WARM, steps=steps)
    again = train_steps(config, place, compiled=True, warm=1, steps=1).first
    begun = []
    for each in (config, related):
        forget_compiled()
        begun.append(train_steps(each, place, compiled=True, warm=1, steps=1).first)
    return Anchor(trained.seconds, trained.first, begun[0], begun[1], again)


def measure_pair(
    listed: Sequence[Cell], wanted: Mapping[str, Config], measured: Mapping[str, Anchor], place: Place
) -> Pair:
    """Ours beside the peer that takes the most hours."""
    hours = hours_by(lambda cell: cell.anchor, [cell for cell in listed if not cell.is_ours], measured)
    peer = max(hours, key=lambda name: hours[name])
    try:
        ours, theirs = train_together((wanted[A_PROMPT_A_VIDEO], wanted[peer]), place)
        return Pair(peer, ours, theirs)
    except RuntimeError as error:  # the anchors took a quarter of an hour: they are kept
        return Pair(peer, problem=str(error))


def project(benchmark: str, listed: Sequence[Cell], measured: dict[str, Anchor], pair: Pair) -> Projection:
    """Adds up the cells, one run at a time and with the peers' runs beside ours."""
    hours = hours_by(lambda cell: cell.sweep, listed, measured)
    of = hours_by(lambda cell: "ours" if cell.is_ours else "peers", listed, measured)
    counts = {name: sum(cell.learns and cell.anchor == name for cell in listed) for name in measured}
    beside = None
    if not pair.problem:
        slower = (pair.our_step / measured[A_PROMPT_A_VIDEO].step, pair.peer_step / measured[pair.peer].step)
        beside = hours_beside(of["ours"], of["peers"], *slower)
    return Projection(benchmark, SEEDS * len(listed), hours, of["peers"], measured, counts, pair, beside)


def hours_by(group: Callable[[Cell], str], listed: Iterable[Cell], measured: Mapping[str, Anchor]) -> dict[str, float]:
    """Hours of all seeds, one run at a time, in groups: steps and starts."""
    hours: dict[str, float] = {}
    for cell, start in zip(*runs_and_starts(listed), strict=True):
        anchor = measured[cell.anchor]
        seconds = cell.steps * anchor.step + getattr(anchor, start)
        hours[group(cell)] = hours.get(group(cell), 0.0) + seconds / 3600
    return hours


def runs_and_starts(listed: Iterable[Cell]) -> tuple[list[Cell], list[str]]:
    """All runs that learn, in the order of sweeps with one worker each, and how each starts (names of `Anchor`'s).

    A sweep's worker goes through all cells of one seed and then of the next; it forgets what it has compiled each time
    that it has made `RUNS` runs. What is on disk stays.
    """
    runs: list[Cell] = []
    starts: list[str] = []
    anchored: set[str] = set()
    built: set[str] = set()
    learned = [cell for cell in listed if cell.learns]
    for sweep in dict.fromkeys(cell.sweep for cell in learned):
        own = SEEDS * [cell for cell in learned if cell.sweep == sweep]
        for nth, cell in enumerate(own):
            held = {earlier.form for earlier in own[nth - nth % RUNS : nth]}
            start = "again" if cell.form in held else "warm" if cell.form in built else "related"
            starts.append(start if cell.anchor in anchored else "cold")
            anchored.add(cell.anchor)
            built.add(cell.form)
        runs += own
    return runs, starts


def hours_beside(ours: float, peers: float, ours_slower: float, peers_slower: float) -> float:
    """Hours until both are done, begun together: each `slower` times as slow until the other is done, then alone."""
    both = min(ours * ours_slower, peers * peers_slower)
    return both + max(ours - both / ours_slower, peers - both / peers_slower)


def projection_table(found: Iterable[Projection]) -> str:
    """Hours by sweep, and the steps that they rest on, in Markdown."""
    found = list(found)
    lines = ["| benchmark | sweep | hours |", "|---|---|---|"]
    for each in found:
        lines += [f"| {each.benchmark} | {sweep} | {hours:.2f} |" for sweep, hours in each.hours.items()]
    total = sum(sum(each.hours.values()) for each in found)
    beside = [each.beside for each in found if each.beside is not None]
    lines.append(f"| all | {SEEDS} seeds, one run at a time | {total:.1f} |")
    said = f"{sum(beside):.1f}" if len(beside) == len(found) else "not measured"
    lines.append(f"| all | {SEEDS} seeds, the peers beside ours | {said} |")
    return "\n\n".join(["\n".join(lines), anchor_table(found), "\n".join(map(_note, found))])


def anchor_table(found: Iterable[Projection]) -> str:
    """Every anchor's step and starts, in Markdown."""
    head = ["benchmark", "steps of", "cells", "ms a step", "start, cold s", "warm s", "related s", "again s"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for each in found:
        for name, a in each.measured.items():
            starts = " | ".join(f"{start:.1f}" for start in (a.cold, a.warm, a.related, a.again))
            times = f"{1000 * a.step:.1f} | {starts}"
            lines.append(f"| {each.benchmark} | {name} | {each.cells[name]} | {times} |")
    return "\n".join(lines)


def _note(each: Projection) -> str:
    total = sum(each.hours.values())
    head = f"- {each.benchmark}: {each.runs} runs; ours {total - each.peers:.1f} hours, the peers {each.peers:.1f}"
    if each.beside is None:
        return f"{head}; ours beside {each.pair.peer} not measured: {each.pair.problem}"
    steps = f"{1000 * each.pair.our_step:.1f} and {1000 * each.pair.peer_step:.1f} ms a step"
    return f"{head}; beside each other {each.beside:.1f} (ours and {each.pair.peer} at once: {steps})"
