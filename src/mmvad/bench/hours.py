"""Hours of a benchmark's tables from what a GPU measured: the runs of all cells, their steps, and how each starts.

All steps are counted as compiled: smaller last batches too, and the one run (VadCLIP on UCF-Crime) that is too short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mmvad.bench.cells import A_PROMPT_A_VIDEO, Cell

SEEDS = 3


@dataclass(frozen=True)
class Starts:
    """Seconds until a run's first step has ended.

    Attributes:
        of: benchmark and anchor of the configuration that was begun.
        cold: its kernels built anew.
        warm: where an earlier run of this form has filled torch's cache on disk.
        related: for a run of another form, most of whose kernels are cached; `warm` where there is none.
    """

    of: str
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
class Measured:
    """A benchmark's anchors.

    Attributes:
        listed: its cells.
        steps: seconds a step of every anchor that could be measured.
        failed: why the others could not.
    """

    benchmark: str
    listed: Sequence[Cell]
    steps: dict[str, float]
    failed: dict[str, str]

    @property
    def peer(self) -> str | None:
        """The peer whose steps take the most hours of those measured; None without any, or without our base."""
        peers = [cell for cell in self.listed if cell.learns and not cell.is_ours and cell.anchor in self.steps]
        if not peers or A_PROMPT_A_VIDEO not in self.steps:
            return None
        return max(peers, key=lambda cell: cell.steps * self.steps[cell.anchor]).anchor


@dataclass(frozen=True)
class Projection:
    """Hours of one benchmark's tables, all seeds; none where an anchor failed.

    Attributes:
        runs: how many there are, those that learn nothing included.
        hours: by sweep, one run at a time: starts, and steps, an epoch's smaller last one counted as the others.
        peers: hours of these that are the peers'.
        steps: seconds a step of every anchor that could be measured.
        failed: why the others could not.
        cells: how many cells each anchor stands for.
        starts: "ours" of the base configuration, counted for all of ours; "peers" of one peer, counted for all peers.
        pair: the step of ours and of a peer beside each other.
        beside: hours of all where the peers run beside ours; None where that was not measured.
    """

    benchmark: str
    runs: int
    hours: dict[str, float]
    peers: float
    steps: dict[str, float]
    failed: dict[str, str]
    cells: dict[str, int]
    starts: dict[str, Starts]
    pair: Pair
    beside: float | None


def project(measured: Measured, starts: dict[str, Starts], pair: Pair) -> Projection:
    """Adds up the cells, one run at a time and with the peers' runs beside ours."""
    listed, steps, failed = measured.listed, measured.steps, measured.failed
    counts = {name: sum(cell.learns and cell.anchor == name for cell in listed) for name in (*steps, *failed)}
    hours: dict[str, float] = {}
    of: dict[str, float] = {}
    beside = None
    if not failed:
        hours = hours_by(lambda cell: cell.sweep, listed, steps, starts)
        of = hours_by(whose, listed, steps, starts)
        if not pair.problem:
            slower = (pair.our_step / steps[A_PROMPT_A_VIDEO], pair.peer_step / steps[pair.peer])
            beside = hours_beside(of["ours"], of["peers"], *slower)
    runs, peers = SEEDS * len(listed), of.get("peers", 0.0)
    return Projection(measured.benchmark, runs, hours, peers, steps, failed, counts, starts, pair, beside)


def hours_by(
    group: Callable[[Cell], str], listed: Iterable[Cell], steps: Mapping[str, float], starts: Mapping[str, Starts]
) -> dict[str, float]:
    """Hours of all seeds, one run at a time, in groups: steps and starts."""
    hours: dict[str, float] = {}
    for run, start in runs_and_starts(listed):
        seconds = run.steps * steps[run.anchor] + getattr(starts[whose(run)], start)
        hours[group(run)] = hours.get(group(run), 0.0) + seconds / 3600
    return hours


def whose(cell: Cell) -> str:
    """Whose starts count for it."""
    return "ours" if cell.is_ours else "peers"


def runs_and_starts(listed: Iterable[Cell]) -> Iterator[tuple[Cell, str]]:
    """All runs that learn, sweep by sweep and seed by seed, and how each starts (names of `Starts`')."""
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
