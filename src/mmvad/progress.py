"""One progress bar with an estimate of the time left; quiet under CI and without a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

Item = TypeVar("Item")


def wants_progress() -> bool:
    """Whether someone is looking: a terminal, and not CI."""
    return sys.stderr.isatty() and not os.environ.get("CI")


def track(items: Sequence[Item], what: str) -> Sequence[Item]:
    """The same items, with a bar on the terminal while they are gone through."""
    if not wants_progress():
        return items
    from rich.console import Console
    from rich.progress import track as rich_track

    bar: Iterable[Item] = rich_track(items, description=what, console=Console(stderr=True))
    return cast(Sequence[Item], bar)
