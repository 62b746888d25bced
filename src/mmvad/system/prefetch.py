"""Items made ahead in a thread of their own: the next frames are decoded while the network works on the last ones."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from typing import Any, TypeVar

Item = TypeVar("Item")
_END = object()


def prefetched(items: Generator[Item, None, None], depth: int) -> Generator[Item, None, None]:
    """The same items, at most `depth` made ahead. An error in making them is raised here; closing it early stops it."""
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, ready, stop), daemon=True)
    thread.start()
    error: BaseException | None = None
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        thread.join()
        error = None  # whose traceback holds this frame: the two would keep each other


def _fill(items: Generator[Item, None, None], ready: queue.Queue, stop: threading.Event) -> None:
    try:
        for item in items:
            if not _put(ready, (item, None), stop):
                return
        _put(ready, (_END, None), stop)
    except BaseException as error:
        _put(ready, (None, error), stop)
    finally:
        items.close()


def _put(ready: queue.Queue, item: tuple[Any, BaseException | None], stop: threading.Event) -> bool:
    """Whether there was room for it before the reader left."""
    while not stop.is_set():
        try:
            ready.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False
