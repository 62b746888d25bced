"""Configurations trained at the same time on one device, a process each: what a step of each takes then."""

from __future__ import annotations

import io
import multiprocessing
import queue
import time
from collections import deque
from collections.abc import Sequence
from contextlib import redirect_stderr
from multiprocessing.process import BaseProcess
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from mmvad.bench.training import train, wait_for
from mmvad.config.schema import Config
from mmvad.environment import Place

WARM = 6
"""Steps of each before the common start, compilation among them."""
AHEAD = 8
"""Steps that a host may be ahead of its GPU: else one would hand out a minute's steps within seconds."""


def train_together(
    configs: Sequence[Config], place: Place, *, seconds: float = 5.0, limit: float = 600.0
) -> list[float]:
    """Seconds a step of each while the others train beside it: all begin at once and go on for `seconds`.

    Raises RuntimeError where a process fails, or is not done within `limit` seconds.
    """
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(len(configs), timeout=limit), spawn.Queue()
    shared = (place, torch.get_num_threads(), seconds, barrier, results)
    children = [spawn.Process(target=_child, args=(i, config, *shared)) for i, config in enumerate(configs)]
    try:
        for child in children:
            child.start()
        return _collect(children, results, limit)
    finally:
        for child in children:
            if child.pid is not None:
                child.kill()
                child.join()


def _collect(children: Sequence[BaseProcess], results: Any, limit: float) -> list[float]:
    """What every process measured. Raises RuntimeError."""
    found: dict[int, float] = {}
    until = time.monotonic() + limit
    while len(found) < len(children):
        try:
            number, value = results.get(timeout=0.2)
        except queue.Empty:
            codes = [child.exitcode for i, child in enumerate(children) if i not in found and child.exitcode]
            if codes:
                raise RuntimeError(f"a training process ended with code {codes[0]}") from None
            if time.monotonic() > until:
                raise RuntimeError(f"the training processes were not done after {limit:g} s") from None
            continue
        if isinstance(value, str):
            raise RuntimeError(value)
        found[number] = value
    return [found[number] for number in range(len(children))]


def _child(number: int, config: Config, place: Place, threads: int, seconds: float, barrier: Any, results: Any) -> None:
    """Trains one configuration; puts its number, and seconds a step or what went wrong."""
    torch.set_num_threads(threads)
    window = _Window(barrier, seconds)
    try:
        with redirect_stderr(io.StringIO()):  # no terminal: no progress bars over each other
            train(config, place, window, compiled=True)
        results.put((number, window.step))
    except Exception as error:
        results.put((number, f"{config.model.name}: {type(error).__name__}: {error}"))


class _Window(Callback):
    """After the warm steps it waits for the others, then counts the steps of so many seconds and stops.

    Attributes:
        step: seconds a step.
    """

    def __init__(self, barrier: Any, seconds: float) -> None:
        self.barrier, self.seconds = barrier, seconds
        self.begun = self.step = 0.0
        self.handed_out: deque[torch.cuda.Event] = deque()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *rest: Any) -> None:
        counted = trainer.global_step - WARM
        if counted < 0:
            return
        if counted == 0:
            wait_for(pl_module.device)
            self.barrier.wait()
            self.begun = time.perf_counter()
            return
        self._stay_near(pl_module.device)
        if time.perf_counter() - self.begun >= self.seconds:
            wait_for(pl_module.device)
            self.step = (time.perf_counter() - self.begun) / counted
            trainer.should_stop = True

    def _stay_near(self, device: torch.device) -> None:
        """Waits until the GPU is at most `AHEAD` steps behind."""
        if device.type == "cuda":
            event = torch.cuda.Event()
            event.record()
            self.handed_out.append(event)
            if len(self.handed_out) > AHEAD:
                self.handed_out.popleft().synchronize()
