"""Trainings as processes beside each other on one device: begun at once, told when to go on, gone at the end."""

from __future__ import annotations

import io
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import lightning
import torch
import torch._inductor.config
from lightning.pytorch.callbacks import Callback

from mmvad.bench.training import train, wait_for
from mmvad.config.schema import Config
from mmvad.system.device import Device

READY = 0.0
"""What a process says when its warm steps are done; later it says seconds a step, or in words what went wrong."""


class Pausing(Callback):
    """After its warm steps a training says that it is ready and sleeps until it is told to go on; then it is measured.

    Attributes:
        warm: steps before, compilation among them.
        steps: of the training, all of one epoch; -1 where `measure` ends it.
    """

    warm, steps = 5, -1

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.begun = pipe, 0.0

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *rest: object
    ) -> None:
        counted = trainer.global_step - self.warm
        if counted == 0:
            self.say(READY, pl_module.device)
        elif counted > 0:
            self.measure(counted, trainer, pl_module.device)

    def measure(self, counted: int, trainer: lightning.Trainer, device: torch.device) -> None:
        """Called after each of the steps that count."""
        raise NotImplementedError

    def passed(self) -> float:
        """Seconds since it goes on."""
        return time.perf_counter() - self.begun

    def say(self, seconds: float, device: torch.device) -> None:
        """Says this and sleeps until it is told to go on. Before, what was given to the device is done."""
        wait_for(device)
        self.pipe.send(seconds)
        self.pipe.recv()
        self.begun = time.perf_counter()


class Child(NamedTuple):
    """A training's process and the way to talk to it."""

    process: BaseProcess
    pipe: Connection

    def go_on(self) -> None:
        with suppress(BrokenPipeError):  # it died: `answers` says so
            self.pipe.send(None)

    def end(self) -> None:
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()
        self.pipe.close()


@contextmanager
def trainings(
    configs: Sequence[Config], place: Device, pausing: Callable[[Connection], Pausing], threads: int
) -> Iterator[list[Child]]:
    """Begins compiled trainings, on so many `threads` each, and ends them when it is left.

    `pausing` goes over to the processes: a class, or a partial of one.
    """
    spawn = multiprocessing.get_context("spawn")
    begun: list[Child] = []
    try:
        for config in configs:
            here, there = spawn.Pipe()
            process = spawn.Process(target=_train, args=(there, config, place, pausing, threads))
            begun.append(Child(process, here))
            process.start()
            there.close()
        yield begun
    finally:
        for child in begun:
            child.end()


def answers(asked: Sequence[Child], limit: float) -> Iterator[tuple[int, float | str]]:
    """What each says next, as it comes: its place among those asked and seconds a step, or what went wrong.

    Those that have said nothing after `limit` seconds are last.
    """
    until = time.monotonic() + limit
    places = {child.pipe: i for i, child in enumerate(asked)}
    while places and (heard := wait(list(places), max(0.0, until - time.monotonic()))):
        for pipe in heard:
            place = places.pop(pipe)  # type: ignore[call-overload] # a pipe, as all that were given
            yield place, _next(asked[place])
    for place in places.values():
        yield place, f"not done after {limit:g} s"


def _next(child: Child) -> float | str:
    try:
        said: float | str = child.pipe.recv()
        return said
    except (EOFError, ConnectionResetError):
        child.process.join()
        return f"its process ended with code {child.process.exitcode}"


def _train(
    pipe: Connection, config: Config, place: Device, pausing: Callable[[Connection], Pausing], threads: int
) -> None:
    """A process: trains until it is killed, or says what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    torch.set_num_threads(threads)
    torch._inductor.config.compile_threads = threads
    try:
        with redirect_stderr(io.StringIO()):  # no terminal: no progress bars over each other
            watch = pausing(pipe)
            train(config, place, watch, compiled=True, steps=watch.steps)
    except Exception as error:
        said = next(iter(str(error).splitlines()), "")
        pipe.send(f"{config.model.name}: {type(error).__name__}: {said}")
