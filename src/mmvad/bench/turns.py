"""Many configurations, a step of each measured alone on a device, though they compile at the same time.

Compiling is work of the host, most of it on one core: in waves of processes each compiles, makes its warm steps and
sleeps; when all sleep, each in its turn makes the steps that are timed. Where torch chooses a kernel among variants by
timing them, it does so while the others of the wave compile.
"""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import lightning
import torch

from mmvad.bench.cells import OURS
from mmvad.bench.processes import (
    READY,
    Child,
    Pausing,
    answers,
    trainings,
)
from mmvad.bench.training import wait_for
from mmvad.config.schema import Config
from mmvad.system.device import Device
from mmvad.system.progress import track

Name = TypeVar("Name", bound=Hashable)
TURNS, STEPS = 2, 20
"""How often a step is measured, of which the least counts, and over how many steps."""
MEMORY = 10 * 2**30
"""Bytes of the GPU that a process takes at most."""


def wave_size(device: torch.device) -> int:
    """Processes of a wave: as many as the GPU has memory for, and two fewer than this process has cores."""
    cores = len(os.sched_getaffinity(0)) - 2
    room = torch.cuda.mem_get_info(device)[0] // MEMORY if device.type == "cuda" else cores
    return max(1, min(cores, room))


def steps_by_turns(
    wanted: Mapping[Name, Config], place: Device, *, size: int | None = None, limit: float = 600.0
) -> dict[Name, float | str]:
    """Seconds a step of each, compiled, with the device to itself; or why there are none.

    A wave has `size` processes (default: `wave_size`). What fails, or is not ready within `limit` seconds, is ended
    and does not hold up the others.
    """
    size = size or wave_size(place.torch)
    names = sorted(wanted, key=lambda name: wanted[name].model.name != OURS)  # which compile longest
    waves = [names[first : first + size] for first in range(0, len(names), size)]
    found: dict[Name, float | str] = {}
    for wave in track(waves, f"steps of {len(names)} configurations, {size} at once", len(waves)):
        found.update(zip(wave, _wave([wanted[name] for name in wave], place, limit), strict=True))
    return {name: found[name] for name in wanted}


def _wave(configs: Sequence[Config], place: Device, limit: float) -> list[float | str]:
    with trainings(configs, place, _Turns, threads=1) as children:
        said = dict(answers(children, limit))
        for number, child in enumerate(children):
            if isinstance(said[number], str):
                child.end()
        return [_timed(child, limit) if said[i] == READY else said[i] for i, child in enumerate(children)]


def _timed(child: Child, limit: float) -> float | str:
    """The least of the child's turns; it is ended where it fails."""
    least = math.inf
    for _ in range(TURNS):
        child.go_on()
        ((_, said),) = answers([child], limit)
        if isinstance(said, str):
            child.end()
            return said
        least = min(least, said)
    return least


class _Turns(Pausing):
    """Says seconds a step of every turn, and sleeps in between and afterwards."""

    steps = Pausing.warm + TURNS * STEPS

    def measure(self, counted: int, trainer: lightning.Trainer, device: torch.device) -> None:
        if counted % STEPS == 0:
            wait_for(device)
            self.say(self.passed() / STEPS, device)
