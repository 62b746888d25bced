"""The table that a run ends with says what its figures are of."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.report.terminal import print_report
from mmvad.runs import RunFolder, read_report
from tests.tables.made_up import make_run


def printed(bank: Path, folder: Path, capsys: pytest.CaptureFixture[str], *changes: str) -> str:
    print_report(make_run(folder, bank, changes))
    return capsys.readouterr().out


def test_switches_and_reconstructions_are_said(
    results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    avvd = ("model.name=avvd", "modalities=va", "peers.avvd.score=online", "quirks.all_crops=on")
    text = printed(results_bank, tmp_path, capsys, *avvd)
    assert "AVVD 2022 is a reconstruction: parts are inferred" in text
    assert "switches on: all_crops=True, score=online" in text


def test_a_run_as_it_was_published_needs_no_word(
    results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for position, changes in enumerate([(), ("model.name=vadclip", "modalities=vt")]):
        text = printed(results_bank, tmp_path / str(position), capsys, *changes)
        assert "combined" in text
        assert "switches on" not in text
        assert "reconstruction" not in text


def test_what_chance_would_have_is_said(results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, report = printed(results_bank, tmp_path, capsys), read_report(next_run(tmp_path))
    share = report["abnormal_frames"] / report["frames"]
    assert f"{share:.2%} of {report['frames']} frames are abnormal: the AP of chance" in text


def next_run(folder: Path) -> RunFolder:
    (path,) = (file.parent for file in folder.glob("*/report.json"))
    return RunFolder(path)
