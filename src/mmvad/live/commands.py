"""A command for each alarm: it gets the alarm as JSON, holds up nobody, and is killed when it takes too long."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from shutil import which
from typing import Any

from mmvad.errors import UserError
from mmvad.live.lines import rounded

AT_ONCE = 4
"""Commands that may run at one time; an alarm that comes then has none."""
_ENDING_SECONDS = 5.0


class AlarmCommand:
    """Runs a command for each alarm, without a shell.

    Args:
        text: the command, cut into words as a shell would.
        timeout: seconds after which it is killed.
        tell: takes what went wrong, in a line.

    Raises UserError for what cannot be run.
    """

    def __init__(self, text: str, timeout: float, tell: Callable[[str], object]) -> None:
        self.words, self._timeout, self._tell = _words(text), timeout, tell
        self._running: list[threading.Thread] = []
        self._processes: set[subprocess.Popen[bytes]] = set()

    def run(self, alarm: Mapping[str, Any]) -> None:
        """Starts the command, with the alarm as a line of JSON on its standard input."""
        self._running = [thread for thread in self._running if thread.is_alive()]
        if len(self._running) >= AT_ONCE:
            self._tell(f"--on-alarm: not run for alarm {alarm['alarm']}: {AT_ONCE} are still running")
            return
        content = json.dumps(rounded(alarm)).encode() + b"\n"
        thread = threading.Thread(target=self._run, args=(content, alarm["alarm"]), name="command", daemon=True)
        self._running.append(thread)
        thread.start()

    def end(self) -> None:
        """Waits a little for those that run; what runs on is killed."""
        deadline = time.monotonic() + min(self._timeout + 1.0, _ENDING_SECONDS)
        for thread in self._running:
            thread.join(max(0.0, deadline - time.monotonic()))
        for process in list(self._processes):
            _kill(process)
        for thread in self._running:
            thread.join(1.0)

    def _run(self, content: bytes, number: int) -> None:
        where = f"--on-alarm: {self.words[0]}, alarm {number}"
        try:
            # a session of its own: Ctrl-C is not for it, and what it has started is killed with it
            with subprocess.Popen(
                self.words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
            ) as process:
                self._processes.add(process)
                try:
                    process.communicate(content, self._timeout)
                except subprocess.TimeoutExpired:
                    _kill(process)
                    self._tell(f"{where}: killed after {self._timeout:g} s")
                    return
                finally:
                    self._processes.discard(process)
            if process.returncode:
                killed = process.returncode == -signal.SIGKILL
                how = "killed: the watch has ended" if killed else f"ended with code {process.returncode}"
                self._tell(f"{where}: {how}")
        except OSError as error:
            self._tell(f"{where}: {error.strerror}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"--on-alarm: {text}", f"cannot be cut into words ({error})", expected="a command") from error
    if not words or which(words[0]) is None:
        problem = f"there is no program {words[0]!r}" if words else "is empty"
        expected = "a program and its arguments; no shell reads them, so no pipes and no $NAMES"
        raise UserError(f"--on-alarm: {text}", problem, expected=expected)
    return words
