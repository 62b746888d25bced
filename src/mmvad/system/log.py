"""The suite's log: shown on stdout, and kept in a run's `run.log`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmvad.system.disk import disk_errors

LOG = logging.getLogger("mmvad")
LOG.setLevel(logging.INFO)


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Adds a file to the log until the block ends; its folder is made."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        handler.close()
