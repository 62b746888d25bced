"""What goes wrong in a stream, in one line each: what happens again and again is counted, and said now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

EVERY_SECONDS = 10.0
"""Between two lines on the same thing."""


class Teller:
    """Says things; of what comes often at most a line every EVERY_SECONDS, with its count. Threads may share it.

    Args:
        tell: takes a line.
    """

    def __init__(self, tell: Callable[[str], object], now: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._now, self._lock = tell, now, threading.Lock()
        self._counts: dict[str, int] = {}
        self._last: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Says a line."""
        with self._lock:
            self._tell(text)

    def say_of(self, kind: str, text: str) -> None:
        """Says a line on what may come often: of one kind one now and then, with how many it stands for."""
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            if self._is_due(kind):
                times, self._last[kind] = self._counts.pop(kind), self._now()
                self._tell(f"{text} (the last of {times} times)" if times > 1 else text)

    def count(self, text: str, times: int = 1) -> None:
        """Something happened so often; said with the count of all that was not said yet: `text: N`."""
        with self._lock:
            self._counts[text] = self._counts.get(text, 0) + times
            if self._is_due(text):
                self._said(text)

    def rest(self) -> None:
        """Says what was counted and not said yet."""
        with self._lock:
            for text in list(self._counts):
                self._said(text)

    def _is_due(self, kind: str) -> bool:
        return self._now() - self._last.get(kind, float("-inf")) >= EVERY_SECONDS

    def _said(self, text: str) -> None:
        self._last[text] = self._now()
        self._tell(f"{text}: {self._counts.pop(text)}")
