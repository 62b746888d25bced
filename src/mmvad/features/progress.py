"""One progress bar with an ETA, on the terminal; silent under CI and where there is no terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(description: str, total: int, *, in_bytes: bool = False, show: bool = True) -> Iterator[Callable]:
    """Gives a function `advance(amount)` that moves the bar towards `total`."""
    if not show or not sys.stderr.isatty() or os.environ.get("CI"):
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    count = DownloadColumn(binary_units=True) if in_bytes else MofNCompleteColumn()
    text = TextColumn("{task.description}")
    with Progress(text, BarColumn(), count, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total)
        yield lambda amount: progress.advance(task, amount)


def _nothing(amount: int) -> None:
    pass
