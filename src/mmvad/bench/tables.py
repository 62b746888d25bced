"""How long all of the paper's tables take on one GPU: the cells of the shipped sweeps times steps measured here."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch._inductor.utils import fresh_cache

from mmvad.bench.cells import (
    A_PROMPT_A_VIDEO,
    anchors,
    cells,
    related,
)
from mmvad.bench.gpu import BENCHMARKS
from mmvad.bench.hours import (
    Measured,
    Pair,
    Projection,
    Starts,
    project,
)
from mmvad.bench.together import train_together
from mmvad.bench.training import train_steps
from mmvad.bench.turns import steps_by_turns
from mmvad.config.schema import Config
from mmvad.system.device import Device


def projections(place: Device, benchmarks: tuple[str, ...] = BENCHMARKS) -> list[Projection]:
    """Measures steps and starts and adds each benchmark's cells up. What was compiled before is not used."""
    if place.torch.type == "cuda":
        torch.cuda.empty_cache()  # what earlier parts left: a wave needs the room
    with fresh_cache():
        found = measure(place, benchmarks)
        pairs = [measure_pair(each, place) for each in found]
    starts = measure_starts(found, place)
    return [project(each, starts, pair) for each, pair in zip(found, pairs, strict=True)]


def measure(place: Device, benchmarks: tuple[str, ...]) -> list[Measured]:
    """A step of every anchor, those of all benchmarks in the same waves."""
    listed = {name: cells(name) for name in benchmarks}
    wanted = {(name, anchor): c for name in benchmarks for anchor, c in anchors(listed[name], name).items()}
    said = steps_by_turns(wanted, place)
    found = [Measured(name, listed[name], {}, {}) for name in benchmarks]
    for each in found:
        own = {anchor: value for (name, anchor), value in said.items() if name == each.benchmark}
        each.steps.update({anchor: value for anchor, value in own.items() if isinstance(value, float)})
        each.failed.update({anchor: value for anchor, value in own.items() if isinstance(value, str)})
    return found


def measure_pair(measured: Measured, place: Device) -> Pair:
    """Ours beside the costliest peer."""
    peer = measured.peer
    if peer is None:
        return Pair("a peer", problem="no step of one of them alone")
    wanted = anchors(measured.listed, measured.benchmark)
    try:
        ours, theirs = train_together((wanted[A_PROMPT_A_VIDEO], wanted[peer]), place)
        return Pair(peer, ours, theirs)
    except RuntimeError as error:  # the anchors took minutes: they are kept
        return Pair(peer, problem=str(error))


def measure_starts(found: Sequence[Measured], place: Device) -> dict[str, Starts]:
    """Of our base configuration and of the costliest peer, each from an empty cache and with all threads.

    Both are the first benchmark's that has them; {} where none has.
    """
    for each in found:
        if each.peer is not None:
            return {"ours": begin(each, A_PROMPT_A_VIDEO, place), "peers": begin(each, each.peer, place)}
    return {}


def begin(measured: Measured, anchor: str, place: Device) -> Starts:
    """Begins an anchor's configuration in every way."""
    config = anchors(measured.listed, measured.benchmark)[anchor]
    other = related(measured.listed, anchor, config)
    with fresh_cache():
        cold, warm = first_step(config, place), first_step(config, place)
        return Starts(f"{measured.benchmark}, {anchor}", cold, warm, first_step(other, place) if other else warm)


def first_step(config: Config, place: Device) -> float:
    """Seconds until a run's first step has ended."""
    return train_steps(config, place, compiled=True, warm=1, steps=1).first
