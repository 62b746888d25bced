"""The local engine: worker processes that are kept alive, a live line, a clean end on Ctrl-C."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from mmvad.errors import UserError
from mmvad.sweeps.starting import Surroundings, start
from mmvad.sweeps.worker import NOTHING_LEFT, RENEW
from mmvad.system.progress import wants_progress
from mmvad.system.stopping import interruptible, interrupts_wait

LOG = logging.getLogger("mmvad")
LOGS = ".sweeps"
LOOK_SECONDS = 0.5
QUICK_DEATH_SECONDS = 20.0
MOST_QUICK_DEATHS = 5
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Standing:
    """How a sweep stands: what the live line shows."""

    total: int
    done: int
    failed: int
    running: int
    note: str = ""

    @property
    def over(self) -> bool:
        return self.done + self.failed >= self.total and not self.running

    def line(self, seconds_left: float | None) -> str:
        """`5 of 12 cells, 0 failed, 2 running, 3:20 left`."""
        left = "" if seconds_left is None or self.over else f", {clock(seconds_left)} left"
        note = f", {self.note}" if self.note else ""
        return f"{self.done} of {self.total} cells, {self.failed} failed, {self.running} running{left}{note}"


@dataclass
class Slot:
    """One worker's place: its process, and how often processes died young in it."""

    number: int
    process: BaseProcess
    since: float
    quick_deaths: int = 0


@dataclass
class Engine:
    """Keeps `workers` processes at a job until `standing` says that it is over.

    Args:
        job: what every worker calls; picklable.
        standing: how the sweep stands; may also mend the queue. Asked about twice a second.
        results: the results folder; the workers' output goes to `.sweeps` in it.
        modules: names of what every worker imports; imported once for all of them where processes are forked.
    """

    job: Callable[[], int]
    standing: Callable[[], Standing]
    results: Path
    workers: int
    modules: Sequence[str] = ()
    slots: list[Slot] = field(default_factory=list)
    last_line: str = ""

    def run(self) -> Standing:
        """Runs to the end. Raises KeyboardInterrupt after Ctrl-C, when the workers have stopped."""
        start, first = time.monotonic(), self.standing()
        if first.over:
            return first
        try:
            with interruptible():
                for n in range(self.workers):
                    with interrupts_wait():  # between its start and its slot a worker would be nobody's to stop
                        self.slots.append(Slot(n, self._start(n), time.monotonic()))
                standing = self._watch(first, start)
                self._join()
        except BaseException:
            self._stop()
            raise
        finally:
            self._end_line()
        return standing

    def _watch(self, first: Standing, start: float) -> Standing:
        standing = first
        while not standing.over:
            wait([slot.process.sentinel for slot in self.slots if slot.process.is_alive()], timeout=LOOK_SECONDS)
            for slot in self.slots:
                self._renew(slot)
            before, standing = standing, self.standing()
            self._show(standing, before, _left(standing, first, time.monotonic() - start))
        return standing

    def _renew(self, slot: Slot) -> None:
        """A fresh process for one that died, or that asked to be replaced."""
        code = slot.process.exitcode
        if code is None or (code == NOTHING_LEFT and self.standing().over):
            return
        young = code != RENEW and time.monotonic() - slot.since < QUICK_DEATH_SECONDS
        slot.quick_deaths = slot.quick_deaths + 1 if young and code not in {NOTHING_LEFT, -signal.SIGKILL} else 0
        if slot.quick_deaths >= MOST_QUICK_DEATHS:
            raise UserError(
                "worker",
                f"ended {slot.quick_deaths} times soon after its start (code {code})",
                fix=f"see {self._log(slot.number)}",
            )
        if code not in {NOTHING_LEFT, RENEW}:
            self._say(f"worker {slot.number} ended with code {code}; another takes its place")
        with interrupts_wait():
            slot.process, slot.since = self._start(slot.number), time.monotonic()

    def _start(self, number: int) -> BaseProcess:
        threads, gpu = max(1, (os.cpu_count() or 1) // self.workers), gpu_of(number)
        environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        try:
            return start(self.job, Surroundings(self._log(number), environment), self.modules)
        except (EOFError, ConnectionError) as error:  # the server ended while it imported, and has said why
            raise UserError("worker", f"does not start ({type(error).__name__})", fix="see the error above") from error

    def _log(self, number: int) -> Path:
        return self.results / LOGS / f"{platform.node()}-{number}.log"

    def _join(self) -> None:
        for slot in self.slots:
            slot.process.join(STOP_SECONDS)

    def _stop(self) -> None:
        """Asks the workers to put back what they have and to end; after a while they are killed."""
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # a job in the background of a script; so do they
        asked = signal.SIGTERM if ignored else signal.SIGINT
        for slot in self.slots:
            if slot.process.is_alive() and slot.process.pid:
                with suppress(ProcessLookupError):
                    os.kill(slot.process.pid, asked)
        until = time.monotonic() + STOP_SECONDS
        for slot in self.slots:
            slot.process.join(max(0.1, until - time.monotonic()))
            if slot.process.is_alive():
                slot.process.kill()
                slot.process.join()

    def _show(self, standing: Standing, before: Standing, left: float | None) -> None:
        line = standing.line(left)
        if wants_progress():
            columns = shutil.get_terminal_size().columns
            print(f"\r{line[: columns - 1]:<{columns - 1}}", end="", file=sys.stderr, flush=True)
        elif (standing.done, standing.failed) != (before.done, before.failed):
            LOG.info(line)
        self.last_line = line

    def _say(self, text: str) -> None:
        self._end_line()
        LOG.warning(text)

    def _end_line(self) -> None:
        if self.last_line and wants_progress():
            print(file=sys.stderr)
        self.last_line = ""


def gpu_of(worker: int) -> str | None:
    """The GPU of a worker: they are dealt round, so several share one where there are more workers than GPUs."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = [part for part in named.split(",") if part] if named is not None else _listed_gpus()
    return gpus[worker % len(gpus)] if gpus else None


def _listed_gpus() -> list[str]:
    """Indices that nvidia-smi knows, without importing torch."""
    if not shutil.which("nvidia-smi"):
        return []
    words = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.split() if done.returncode == 0 else []


def clock(seconds: float) -> str:
    """`3:20`, or `2:03:20` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _left(standing: Standing, first: Standing, elapsed: float) -> float | None:
    """Seconds left, from the pace since the start; None before the first cell ended."""
    ended = standing.done + standing.failed - first.done - first.failed
    return (standing.total - standing.done - standing.failed) * elapsed / ended if ended > 0 else None
