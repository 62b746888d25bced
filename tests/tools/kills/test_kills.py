"""Imports that are ended and given again come through whole; one that does not is told."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from tools.kills import __main__ as kills
from tools.kills.jobs import JOBS


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kills, "_load_libraries", lambda: None)


def test_imports_come_through(capsys: pytest.CaptureFixture[str]) -> None:
    assert kills.main(["--kills", "1", "--terms", "1", "--only", "import"]) == 0
    printed = capsys.readouterr().out
    assert "1 SIGKILL, 1 SIGTERM" in printed
    assert "0 lost, 0 doubled, 0 left over, all results equal" in printed


def test_a_loss_and_a_double_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    counter = itertools.count()
    changing = dataclasses.replace(
        JOBS["import"],
        results=lambda out: {"x": str(next(counter)).encode()},
        finished=lambda out: {"x": next(counter)},
    )
    monkeypatch.setitem(JOBS, "import", changing)
    assert kills.main(["--kills", "1", "--terms", "0", "--only", "import"]) == 1
    told = capsys.readouterr().out.splitlines()[-1].partition("NOT AS IT MUST BE: ")[2]
    assert "'lost': " in told
    assert "'doubled': 1" in told
