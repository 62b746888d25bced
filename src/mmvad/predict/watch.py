"""Waiting for videos: what appears in a folder is handed on once it has stopped growing."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 1.0
"""Seconds between two looks at the folder."""
SETTLED = 3.0
"""Seconds for which a file must not have changed."""

Stamp = tuple[int, int]
"""A file's size and its time of change in nanoseconds."""


@dataclass
class Arrivals:
    """Which files are whole. A file that changes after it was handed on is handed on again.

    Attributes:
        settle: seconds for which size and time of change must stay as they are.
    """

    settle: float = SETTLED
    _seen: dict[Path, tuple[Stamp, float]] = field(default_factory=dict)
    _given: dict[Path, Stamp] = field(default_factory=dict)

    def look(self, files: Mapping[Path, Stamp], now: float) -> list[Path]:
        """The files, by name, that are whole by now and were not handed on as they are. `now` in seconds."""
        self._seen = {path: seen for path, seen in self._seen.items() if path in files}
        for path, stamp in files.items():
            if self._seen.get(path, (None, 0.0))[0] != stamp:
                self._seen[path] = (stamp, now)
        ready = [
            path
            for path, (stamp, since) in self._seen.items()
            if now - since >= self.settle and stamp[0] > 0 and self._given.get(path) != stamp
        ]
        self._given |= {path: files[path] for path in ready}
        return sorted(ready)


def watch(
    folder: Path,
    suffixes: frozenset[str],
    handle: Callable[[Path], object],
    *,
    arrivals: Arrivals | None = None,
    interval: float = INTERVAL,
) -> None:
    """Hands every video of the folder to `handle`, those that are there and those that come, until Ctrl-C.

    `handle` must not raise for a bad file.
    """
    arrivals = arrivals or Arrivals()
    try:
        while True:
            for path in arrivals.look(listed(folder, suffixes), time.monotonic()):
                handle(path)
            time.sleep(interval)
    except KeyboardInterrupt:
        return


def listed(folder: Path, suffixes: frozenset[str]) -> dict[Path, Stamp]:
    """The folder's files of these suffixes, hidden ones aside, with their stamps; empty while it cannot be read."""
    found: dict[Path, Stamp] = {}
    with suppress(OSError):  # a network that comes back: the next look sees
        for path in folder.iterdir():
            if path.suffix.lower() in suffixes and not path.name.startswith("."):
                with suppress(OSError):  # a file that went while we looked
                    status = path.stat()
                    if stat.S_ISREG(status.st_mode):
                        found[path] = (status.st_size, status.st_mtime_ns)
    return found
