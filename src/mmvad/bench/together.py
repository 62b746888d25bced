"""Configurations trained at the same time on one device, a process each: what a step of each takes then."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection

import lightning
import torch

from mmvad.bench.processes import (
    Child,
    Pausing,
    answers,
    trainings,
)
from mmvad.bench.training import wait_for
from mmvad.config.schema import Config
from mmvad.system.device import Device

AHEAD = 8
"""Steps that a host may be ahead of its GPU: else one would hand out a minute's steps within seconds."""


def train_together(
    configs: Sequence[Config], place: Device, *, seconds: float = 5.0, limit: float = 600.0
) -> list[float]:
    """Seconds a step of each while the others train beside it: all go on at once, for `seconds`.

    Raises RuntimeError where a process fails, or is not done within `limit` seconds.
    """
    with trainings(configs, place, partial(_Window, seconds=seconds), torch.get_num_threads()) as children:
        _all(children, limit)
        for child in children:
            child.go_on()
        return _all(children, limit)


def _all(children: Sequence[Child], limit: float) -> list[float]:
    """What all say next. Raises RuntimeError as soon as one says what went wrong."""
    found: dict[int, float] = {}
    for number, said in answers(children, limit):
        if isinstance(said, str):
            raise RuntimeError(said)
        found[number] = said
    return [found[number] for number in range(len(children))]


class _Window(Pausing):
    """Counts the steps of so many seconds."""

    def __init__(self, pipe: Connection, seconds: float) -> None:
        super().__init__(pipe)
        self.window = seconds
        self.handed_out: deque[torch.cuda.Event] = deque()

    def measure(self, counted: int, trainer: lightning.Trainer, device: torch.device) -> None:
        self._stay_near(device)
        if self.passed() >= self.window:
            wait_for(device)
            self.say(self.passed() / counted, device)

    def _stay_near(self, device: torch.device) -> None:
        """Waits until the GPU is at most `AHEAD` steps behind."""
        if device.type == "cuda":
            event = torch.cuda.Event()
            event.record()
            self.handed_out.append(event)
            if len(self.handed_out) > AHEAD:
                self.handed_out.popleft().synchronize()
