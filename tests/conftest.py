"""Fixtures that several rooms share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def field_data() -> Path:
    """The folder with the benchmarks' public lists and reference figures; skips where a clone does not have it."""
    named = os.environ.get("MMVAD_FIELD_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"the benchmarks' lists are not at {folder}: set MMVAD_FIELD_DATA to the folder that has data/")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _interrupts_arrive() -> None:
    """A job in the background of a script ignores SIGINT, and its children with it: tests of Ctrl-C would hang."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
