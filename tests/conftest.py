"""Fixtures that several rooms share."""

from __future__ import annotations

import os
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
