"""Who runs a cell: a process of a machine, recognised again even when its number has been given to another."""

from __future__ import annotations

import multiprocessing
import os
import platform
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

Owner = dict[str, Any]


def this_process() -> Owner:
    """This process and its parent, as plain values for the database. A worker's parent is its command."""
    command = multiprocessing.parent_process()
    parent = os.getppid() if command is None or command.pid is None else command.pid
    return {
        "host": host(),
        "name": platform.node(),
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "parent": parent,
        "parent_started": started(parent),
    }


@cache
def host() -> str:
    """This boot of this machine, and the space its process numbers are from: a container has its own."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def started(pid: int) -> str | None:
    """When a process was started, in its system's own terms; None where it is not alive."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _started_elsewhere(pid)
    return None if fields[0] in "ZX" else fields[19]


def same(a: Owner, b: Owner) -> bool:
    """Whether two records mean one process."""
    return all(a.get(key) == b.get(key) for key in ("host", "pid", "started"))


def gone(owner: Owner) -> bool:
    """Whether the process certainly ended: only said of this machine's own processes."""
    return owner.get("host") == host() and started(int(owner["pid"])) != owner.get("started")


def parent_lives(owner: Owner) -> bool:
    """Whether the process's parent still runs, so that the process did not end with its whole command."""
    return owner.get("host") == host() and started(int(owner["parent"])) == owner.get("parent_started")


def _started_elsewhere(pid: int) -> str | None:
    """Without /proc: alive or not is all that can be said."""
    if Path("/proc/self/stat").exists():
        return None
    try:
        os.kill(pid, 0)
    except PermissionError:
        return "alive"
    except OSError:
        return None
    return "alive"
