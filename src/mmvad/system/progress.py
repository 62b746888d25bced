"""One progress bar with an estimate of the time left; silent under CI and where there is no terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


def wants_progress() -> bool:
    """Whether someone is looking: a terminal, and not CI."""
    return sys.stderr.isatty() and not os.environ.get("CI")


@contextmanager
def progress_bar(description: str, total: int, *, in_bytes: bool = False, show: bool = True) -> Iterator[Callable]:
    """Gives a function `advance(amount)` that moves the bar towards `total`."""
    if not show or not wants_progress():
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    count = DownloadColumn(binary_units=True) if in_bytes else MofNCompleteColumn()
    text = TextColumn("{task.description}", markup=False)
    with Progress(text, BarColumn(), count, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total)
        yield lambda amount: progress.advance(task, amount)


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """The same items, with a bar on the terminal while they are gone through."""
    with progress_bar(description, total) as advance:
        for item in items:
            yield item
            advance(1)


def _nothing(amount: int) -> None:
    pass
