"""The server: imports the heavy libraries at the first request, and forks a child for each, with one thread alone.

python -m tests.forked.server DESCRIPTOR    (of its socket; ends when its standard input does)

The child is what `python -m MODULE ...` or `python -c CODE ...` would be, but for what a process reads before it
imports anything: options of the interpreter, PYTHONHASHSEED, and variables that libraries read when they are imported.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from tests.forked.request import NUMBER, exactly

MODULES = (
    "torch",
    "lightning.pytorch",
    "optuna",
    "pandas",
    "matplotlib.pyplot",
    "mmvad.training.train",
    "mmvad.cli.main",
    "mmvad.extraction.extractor",
    "torchvggish",
    "resampy",
    "av",
)
OURS = ("mmvad", "tests")
"""Imported anew by a child whose PYTHONPATH is another: a copy of the repository has its own."""


class Child(Exception):
    """Leaves the server's loop in a forked child."""

    def __init__(self, asked: dict[str, Any], streams: list[int]) -> None:
        super().__init__()
        self.asked, self.streams = asked, streams


def serve(listening: int) -> None:
    """Forks for whoever asks, until nobody holds the other end of the standard input. Raises Child in a child."""
    with socket.socket(fileno=listening) as listener, selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == 0:
                    return
                if key.fileobj is listener:
                    fork(selector, listener.accept()[0])
                elif key.data is not None and key.fd in selector.get_map():
                    reap(selector, *key.data)


def fork(selector: selectors.BaseSelector, connection: socket.socket) -> None:
    head, streams, _, _ = socket.recv_fds(connection, NUMBER.size, 3)
    asked = json.loads(exactly(connection, NUMBER.unpack(head)[0]))
    for name in MODULES:
        with contextlib.suppress(ImportError):  # an extra that is not installed, or ours: the child will say it
            importlib.import_module(name)
    gc.freeze()  # a child that looks through all of that for garbage would copy it
    pid = os.fork()
    if pid == 0:
        for other in [
            key.data for key in selector.get_map().values() if key.data is not None and key.fd == key.data[2]
        ]:
            other[1].close()
            os.close(other[2])
        connection.close()
        raise Child(asked, streams)
    for stream in streams:
        os.close(stream)
    ended, data = os.pidfd_open(pid), (pid, connection)
    selector.register(ended, selectors.EVENT_READ, (*data, ended))
    selector.register(connection, selectors.EVENT_READ, (*data, ended))
    connection.sendall(NUMBER.pack(pid))


def reap(selector: selectors.BaseSelector, pid: int, connection: socket.socket, ended: int) -> None:
    """A child that has ended: its client is told. A client that has ended: its child is killed."""
    found, status = os.waitpid(pid, os.WNOHANG)
    if found == 0:
        selector.unregister(connection)
        os.kill(pid, signal.SIGKILL)
        return
    with contextlib.suppress(OSError):
        connection.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
    for one in (connection, ended):
        with contextlib.suppress(KeyError):
            selector.unregister(one)
    connection.close()
    os.close(ended)


def become(asked: dict[str, Any], streams: list[int], path: list[str], own: str | None) -> None:
    """Runs what was asked for, as the interpreter would."""
    if asked.get("start_new_session"):
        os.setsid()
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    open_streams()
    given = asked["env"].get("PYTHONPATH")
    sys.path[:] = [*(os.path.abspath(part) for part in (given or "").split(os.pathsep) if part), *path]
    if given != own:
        for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
            del sys.modules[name]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    first, *words = asked["words"]
    if first == "-m":
        what, *sys.argv[1:] = words
        sys.path.insert(0, os.getcwd())
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    elif first == "-c":
        what, *sys.argv[1:] = words
        sys.argv[0] = "-c"
        sys.path.insert(0, "")
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [first, *words]
        sys.path.insert(0, os.path.dirname(os.path.abspath(first)))
        runpy.run_path(first, run_name="__main__")


def open_streams() -> None:
    """Python's standard streams over what now stands at 0, 1 and 2."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        raw = os.fdopen(descriptor, "wb" if descriptor else "rb", closefd=False)
        stream = io.TextIOWrapper(
            raw,  # type: ignore[type-var]
            encoding="utf-8",
            errors="backslashreplace" if name == "stderr" else "strict",
            line_buffering=name == "stderr" or raw.isatty(),
            write_through=bool(os.environ.get("PYTHONUNBUFFERED")),
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def end(code: int) -> None:
    """Ends the process as the interpreter does, but without taking a thousand modules apart: that takes 0.3 s."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    os._exit(code)


def exit_code(error: BaseException | None) -> int:
    """The code of a process that ends with this; what the interpreter would print is printed."""
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return 1


if __name__ == "__main__":
    own = os.environ.get("PYTHONPATH")
    given = {os.path.abspath(part) for part in (own or "").split(os.pathsep) if part}
    path = [part for part in sys.path[1:] if part not in given]  # without -m's folder and PYTHONPATH
    try:
        serve(int(sys.argv[1]))
    except Child as child:
        asked, streams = child.asked, child.streams
    else:
        os._exit(0)
    try:
        become(asked, streams, path, own)
        ended = None
    except BaseException as error:
        ended = error
    end(exit_code(ended))
