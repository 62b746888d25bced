"""From the thread that reads a stream to the one that scores it: bounded, whichever is the slower."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Items in order. Some of them may be dropped when there is no room: the oldest first.

    Args:
        room: how many such items may wait.
        drop: whether the oldest goes where there is no room; else who brings one waits.
    """

    def __init__(self, room: int, *, drop: bool) -> None:
        self.room, self.drop, self._dropped = room, drop, 0
        self._items: deque[tuple[Item, bool]] = deque()
        self._waiting, self._closed = 0, False
        self._changed = threading.Condition()

    def put(self, item: Item, *, droppable: bool = False) -> bool:
        """Brings an item; False where nobody takes any more."""
        with self._changed:
            while droppable and self._waiting >= self.room and not self.drop and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            if droppable and self._waiting >= self.room:
                self._drop_oldest()
            self._items.append((item, droppable))
            self._waiting += droppable
            self._changed.notify_all()
            return True

    def take(self, most: int, seconds: float) -> list[Item]:
        """The next items, at most so many; none where none came in so many seconds."""
        with self._changed:
            if not self._items:
                self._changed.wait(seconds)
            found = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._waiting -= sum(droppable for _, droppable in found)
            self._changed.notify_all()
            return [item for item, _ in found]

    def take_dropped(self) -> int:
        """How many were dropped since this was last asked."""
        with self._changed:
            found, self._dropped = self._dropped, 0
            return found

    def close(self) -> None:
        """Nobody takes any more: who waits for room waits no longer."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def _drop_oldest(self) -> None:
        oldest = next(place for place, (_, droppable) in enumerate(self._items) if droppable)
        del self._items[oldest]
        self._waiting -= 1
        self._dropped += 1
