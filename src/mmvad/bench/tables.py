"""How long all of the paper's tables take on one GPU: the cells of the shipped sweeps times steps measured here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch._inductor.utils import fresh_cache

from mmvad.bench.cells import A_PROMPT_A_VIDEO, OURS, Cell, anchors, cells, related
from mmvad.bench.gpu import BENCHMARKS
from mmvad.bench.together import train_together
from mmvad.bench.training import train_steps
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
        warm: the same where an earlier run of this form has filled torch's cache on disk.
        related: the same for a run of another form, most of whose kernels are cached; `warm` where there is none.
    """

    step: float
    cold: float
    warm: float
    related: float


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
        hours: by sweep, one run at a time: starts, and steps, an epoch's smaller last one counted as the others.
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
            wanted = anchors(listed, name)
            tracked = track(wanted.items(), f"steps of {name}", len(wanted))
            measured = {anchor: measure(config, related(listed, anchor, config), place) for anchor, config in tracked}
            yield project(name, listed, measured, measure_pair(listed, wanted, measured, place))


def measure(config: Config, other: Config | None, place: Place) -> Anchor:
    """Trains a few steps, then begins anew for every other kind of start; `other` is of another form."""
    steps = OUR_STEPS if config.model.name == OURS else PEER_STEPS
    trained = train_steps(config, place, compiled=True, warm=WARM, steps=steps)
    warm = first_step(config, place)
    return Anchor(trained.seconds, trained.first, warm, first_step(other, place) if other else warm)


def first_step(config: Config, place: Place) -> float:
    """Seconds until a run's first step has ended."""
    return train_steps(config, place, compiled=True, warm=1, steps=1).first


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
    for run, start in runs_and_starts(listed):
        anchor = measured[run.anchor]
        seconds = run.steps * anchor.step + getattr(anchor, start)
        hours[group(run)] = hours.get(group(run), 0.0) + seconds / 3600
    return hours


def runs_and_starts(listed: Iterable[Cell]) -> Iterator[tuple[Cell, str]]:
    """All runs that learn, sweep by sweep and seed by seed, and how each starts (names of `Anchor`'s)."""
    anchored: set[str] = set()
    built: set[str] = set()
    learned = [cell for cell in listed if cell.learns]
    for sweep in dict.fromkeys(cell.sweep for cell in learned):
        for run in SEEDS * [cell for cell in learned if cell.sweep == sweep]:
            known = {"warm": run.form in built, "related": run.anchor in anchored}
            yield run, next((start for start, found in known.items() if found), "cold")
            built.add(run.form)
            anchored.add(run.anchor)


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
    head = ["benchmark", "steps of", "cells", "ms a step", "start, cold s", "warm s", "related s"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for each in found:
        for name, a in each.measured.items():
            starts = " | ".join(f"{start:.1f}" for start in (a.cold, a.warm, a.related))
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
