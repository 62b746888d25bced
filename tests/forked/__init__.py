"""Commands in processes of their own that need not import torch again: a server has, and forks one for each.

`start(command("train", ...), stdout=PIPE)` and `run(...)` are subprocess's `Popen` and `run`. The process is a real one
with its own number, signals, streams, folder and environment. It is not the one for a test of what is imported when, of
options of the interpreter, or of variables that are read at an import (OMP_NUM_THREADS): use subprocess there.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.forked.request import ADDRESS, number, request

ROOT = Path(__file__).resolve().parents[2]
PIPE, STDOUT, DEVNULL = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL


@contextmanager
def serving() -> Iterator[None]:
    """While it lasts, a server stands ready; one for all of pytest's workers. It is small until it is asked."""
    if not hasattr(os, "pidfd_open") or ADDRESS in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mmvad") as folder:
        address = str(Path(folder) / "server")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen()
            words = [sys.executable, "-m", "tests.forked.server", str(listener.fileno())]
            ours = {"cwd": ROOT, "pass_fds": [listener.fileno()], "start_new_session": True}
            server = subprocess.Popen(words, stdin=PIPE, stdout=DEVNULL, **ours)
        os.environ[ADDRESS] = address
        try:
            yield
        finally:
            del os.environ[ADDRESS]
            server.communicate()


class Process:
    """A process that the server forked, with what tests use of `subprocess.Popen`. Text, never bytes."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        cwd: Path | str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
        start_new_session: bool = False,
    ) -> None:
        assert words[0] == sys.executable, words
        self.args, self.returncode, self._ours = words, None, list[int]()
        self.stdin: IO[str] | None = None
        self.stdout, self.stderr, theirs = None, None, []
        streams = [self._stream(0, stdin, theirs), self._stream(1, stdout, theirs)]
        streams.append(streams[1] if stderr == STDOUT else self._stream(2, stderr, theirs))
        options = {"cwd": str(cwd or Path.cwd()), "env": dict(os.environ if env is None else env)}
        self._connection = request(words[1:], streams, start_new_session=start_new_session, **options)
        for stream in theirs:
            os.close(stream)
        self.pid = number(self._connection)

    def _stream(self, target: int, given: Any, theirs: list[int]) -> int:
        """The descriptor that stands for one of its standard streams."""
        if given == PIPE:
            read, write = os.pipe()
            name, ours, end = ("stdin", write, read) if target == 0 else ("stdout", read, write)
            setattr(self, "stderr" if target == 2 else name, os.fdopen(ours, "r" if target else "w", encoding="utf-8"))
        elif given == DEVNULL or (given is None and target == 0):
            end = os.open(os.devnull, os.O_RDWR)
        else:
            return target if given is None else given if isinstance(given, int) else given.fileno()
        theirs.append(end)
        return end

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0.001)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = number(self._connection)
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._connection.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str | None, str | None]:
        found: dict[str, str] = {}
        streams = {name: stream for name in ("stdout", "stderr") if (stream := getattr(self, name)) is not None}
        threads = [threading.Thread(target=_read, args=(found, *item), daemon=True) for item in streams.items()]
        for thread in threads:
            thread.start()
        self.wait(timeout)
        for thread in threads:
            thread.join(timeout)
        return found.get("stdout"), found.get("stderr")

    def send_signal(self, which: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, which)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _read(found: dict[str, str], name: str, stream: IO[str]) -> None:
    with stream:
        found[name] = stream.read()


AnyProcess = Process | subprocess.Popen[str]


def start(words: Sequence[str], **options: Any) -> AnyProcess:
    """A started `python -m MODULE ...` or `python -c CODE ...`, as `subprocess.Popen(..., text=True)` gives one."""
    if ADDRESS not in os.environ:
        return subprocess.Popen(words, text=True, **options)
    return Process(words, **options)


def run(
    words: Sequence[str],
    *,
    timeout: float | None = None,
    check: bool = False,
    capture_output: bool = False,
    **more: Any,
) -> subprocess.CompletedProcess[str]:
    """How such a command ended, as `subprocess.run(..., text=True)` says it; killed after `timeout` seconds."""
    streams = {"stdout": PIPE, "stderr": PIPE} if capture_output else {}
    process = start(words, **streams, **more)
    try:
        output, errors = process.communicate(timeout=timeout)
    except BaseException:
        process.kill()
        raise
    done = subprocess.CompletedProcess(words, process.wait(), output, errors)
    if check:
        done.check_returncode()
    return done


def programs(folder: Path) -> Path:
    """A folder for the PATH of shells, with `python` and `mmvad` that the server forks."""
    folder.mkdir(exist_ok=True)
    client = f'-S -I "{Path(__file__).with_name("request.py")}"' if ADDRESS in os.environ else ""
    for name, options in (("mmvad", "-m mmvad"), ("python", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {client} {options} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return folder
