"""What is printed when nobody reads any more, as behind `mmvad train | head`: work goes on, quietly."""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def nobody_reads() -> bool:
    """Whether stdout is a pipe whose reader has gone; what is printed from then on goes nowhere."""
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    gone = any(event & select.POLLERR for _, event in watch.poll(0))
    if gone:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return gone


@contextmanager
def log_on_stderr() -> Iterator[None]:
    """While it lasts, the log is shown on stderr: stdout is for a program."""
    shown = [handler for handler in logging.getLogger().handlers if isinstance(handler, Printed)]
    before = [handler.setStream(sys.stderr) for handler in shown]
    try:
        yield
    finally:
        for handler, stream in zip(shown, before):
            handler.setStream(stream or sys.stdout)


class Printed(logging.StreamHandler):
    """Shows the log on stdout; that its reader has gone is no error."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not (isinstance(sys.exc_info()[1], BrokenPipeError) and nobody_reads()):
            super().handleError(record)
