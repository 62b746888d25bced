"""A few mutations of every kind end as they may, the same for the same seed; what ends otherwise is told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from tools.mutations import cases
from tools.mutations.__main__ import main
from tools.mutations.documents import changed_text, changed_tree


def test_some_of_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "0", "--count", "24", "--processes", "1"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{kind} (" in printed for kind in cases.CASES)
    assert printed.splitlines()[-1] == "24 mutations, 0 ended as none may"


def test_what_may_not_be_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(words: object) -> int:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(cases, "main", broken)
    assert main(["--count", "2", "--processes", "1", "--only", "experiment"]) == 1
    printed = capsys.readouterr().out
    assert "2 wrong: ZeroDivisionError at test_mutations.py" in printed
    assert "--only experiment --seed 0 --count 1: wrong" in printed


def test_no_more_are_begun_once_the_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "5", "--processes", "1", "--minutes", "0"]) == 0
    assert "0 mutations, 0 ended as none may, 5 not begun: the time was over" in capsys.readouterr().out


def test_documents_change_alike_for_a_seed() -> None:
    text = (Path(__file__).parents[3] / "sweeps" / "components.yaml").read_text()
    for change in (changed_text, changed_tree):
        found = [change(text, random.Random(seed)) for seed in range(20)]
        assert found == [change(text, random.Random(seed)) for seed in range(20)]
        assert len(set(found)) > 10
    assert isinstance(yaml.safe_load(changed_tree(text, random.Random(1))), dict)
