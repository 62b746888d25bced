"""The signals that ask a process to end: a scheduler's SIGTERM and a closed terminal's SIGHUP end it as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ASKED_TO_END = (signal.SIGTERM, signal.SIGHUP)
EXIT_CTRL_C = 128 + signal.SIGINT
_received: list[int] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """While it lasts, each of these signals raises KeyboardInterrupt. One that is ignored (`nohup`) stays so.

    Lightning takes SIGTERM for itself only where nobody else has: it would end a training without a word.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ASKED_TO_END}
    taken = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    _received.clear()
    try:
        for number in taken:
            signal.signal(number, _interrupt)
        yield
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """While it lasts, signals that ask to end are kept back; they arrive behind it.

    By handlers: a mask holds for one thread alone, and another one takes the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ASKED_TO_END)}
    handled = {number: handler for number, handler in before.items() if callable(handler)}
    try:
        for number in handled:
            signal.signal(number, lambda arrived, frame: kept.append(arrived))
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        for arrived in dict.fromkeys(kept):
            signal.raise_signal(arrived)


def interrupted_code() -> int:
    """The exit code after a KeyboardInterrupt, as a shell has it: 143 after SIGTERM, 129 after SIGHUP, else 130."""
    return 128 + _received[-1] if _received else EXIT_CTRL_C


def _interrupt(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt
