"""The table that a run ends with says what its figures are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import open_bank
from mmvad.cli.main import main
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


def test_names_of_methods_stand_as_they_are(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They may look like markup of the terminal, of Markdown, or like mathematics to what draws."""
    draw, name = np.random.default_rng(0), r"[/red] $\bad{$ |*<b>"
    scores = {video.name: draw.random(video.snippets) for video in open_bank(bank).test.videos}
    np.savez(tmp_path / "scores.npz", **scores)  # type: ignore[arg-type]
    out = tmp_path / "runs" / "theirs"
    words = ["evaluate", str(tmp_path / "scores.npz"), "--bank", str(bank), "--out", str(out), "--name", name]
    assert main(words) == 0
    assert f"{name} (scores from elsewhere)" in capsys.readouterr().out
    assert main(["report", str(out), "--out", str(tmp_path / "report"), "--tables", "use", "--resamples", "0"]) == 0
    assert name in capsys.readouterr().out
    assert r"| [/red] $\\bad{$ \|\*\<b> ¶ |" in (tmp_path / "report" / "tables.md").read_text()
