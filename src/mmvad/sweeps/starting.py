"""How a worker's process begins: forked from a server that has imported the libraries once, or spawned."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from mmvad.errors import UserError
from mmvad.system.stopping import ASKED_TO_END

LOG = logging.getLogger("mmvad")
STOPPED = 130
FORKS = sys.platform == "linux"  # system libraries of macOS do not outlive a fork, and Windows has none
ATTEMPTS, ATTEMPT_SECONDS = 5, 0.2
SERVER_PATH = ("PYTHONPATH", "PYTHONSAFEPATH")


@dataclass(frozen=True)
class Surroundings:
    """What a worker process is given.

    Attributes:
        log: file that takes everything that is printed.
        environment: its environment variables, whatever those of the server are that it was forked from.
    """

    log: Path
    environment: Mapping[str, str]


def start(job: Callable[[], int], surroundings: Surroundings, modules: Sequence[str] = ()) -> BaseProcess:
    """A started process that does the job, behind `modules` that its server imports once for all workers.

    The server is started with the first worker and ends with this process. No module may initialise CUDA when it is
    imported: a forked process could not use it any more.
    """
    context: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")
    for attempt in range(1, ATTEMPTS + 1):
        if FORKS:
            _start_server(modules, surroundings.environment)
        process: BaseProcess = context.Process(target=work, args=(job, surroundings))
        try:
            process.start()
            break
        except ConnectionError:  # the server was killed, and is just about to be gone
            if attempt == ATTEMPTS:
                raise
        time.sleep(ATTEMPT_SECONDS)
    return process


def _start_server(modules: Sequence[str], environment: Mapping[str, str]) -> None:
    """Starts the server where none runs. Signals that end a command are for the workers: the server outlives them.

    It imports from where this process does: Python 3.11 hands it no path, and would put the current folder first.
    """
    forkserver.set_forkserver_preload(list(modules))
    resource_tracker.ensure_running()  # before signals are blocked: its start unblocks them
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    own = {**environment, **dict(zip(SERVER_PATH, (paths, "1")))}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *ASKED_TO_END})  # which it inherits
    try:
        with _environment(own):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def work(job: Callable[[], int], surroundings: Surroundings) -> None:
    """The main function of a worker process: settles in, does the job, exits with its code."""
    try:
        _settle(surroundings)
        code = job()
    except (KeyboardInterrupt, SystemExit):
        code = STOPPED
    except UserError as error:
        print(f"mmvad: error: {error}", flush=True)
        code = 2
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # no exit handler of a library may hold up a worker whose work is stored


def _settle(surroundings: Surroundings) -> None:
    surroundings.log.parent.mkdir(parents=True, exist_ok=True)
    with open(surroundings.log, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stdout, force=True)
    LOG.setLevel(logging.INFO)
    for name in SERVER_PATH:
        os.environ.pop(name, None)
    os.environ.update(surroundings.environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if FORKS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, *ASKED_TO_END})


def _end_with_parent() -> None:
    """A worker whose command was killed ends too: nobody would see what it does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
