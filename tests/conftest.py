"""Fixtures that several rooms share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from mmvad.runs import RunFolder
from tests.forked import serving

pytest_plugins = ["tests.predict.trained", "tests.releases.fixtures", "tests.tables.fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    """The server of processes is the first process's; those that it starts find it in the environment."""
    server = serving()
    server.__enter__()
    config.add_cleanup(lambda: server.__exit__(None, None, None))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first: one that came last would keep a single process busy while the others have nothing left."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def field_data() -> Path:
    """The folder with the benchmarks' public lists and reference figures; skips where a clone does not have it."""
    named = os.environ.get("MMVAD_FIELD_DATA")
    folder = Path(named or ".")
    if not named or not (folder / "data").is_dir():
        pytest.skip("the benchmarks' lists are not here: set MMVAD_FIELD_DATA to the folder that has data/")
    return folder


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bank of planted videos. Tests only read it."""
    from tests.small import write_bank

    return write_bank(tmp_path_factory.mktemp("banks") / "planted")


@pytest.fixture(scope="session")
def finished(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run on it with validation and figures. Tests only read it."""
    from mmvad.training.train import train
    from tests.runs import MEASURED, configured

    return train(configured(bank, tmp_path_factory.mktemp("finished"), MEASURED, "runtime.figures=on"))


@pytest.fixture(autouse=True, scope="session")
def _interrupts_arrive() -> None:
    """A job in the background of a script ignores SIGINT, and its children with it: tests of Ctrl-C would hang."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
