"""`mmvad data audit` from the command line: what it prints, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import open_bank
from mmvad.benchmarks.benchmark import frame_truth
from mmvad.cli.main import main
from tests.runs import refusal


def test_exit_codes_and_the_table(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = open_bank(bank).test.videos
    truth = np.concatenate([frame_truth(v.intervals, v.snippets) for v in videos])
    path, out = tmp_path / "gt.npy", tmp_path / "audit.csv"
    np.save(path, truth.astype(np.float64))
    words = ["data", "audit", str(path), "--bank", str(bank), "--out", str(out)]
    assert main(words) == 0
    assert f"equal to the bank {bank} in {len(videos)} of {len(videos)} videos" in capsys.readouterr().out
    assert len(out.read_text().splitlines()) == len(videos) + 1
    truth[0] = ~truth[0]
    np.save(path, truth)
    assert main(words) == 1
    assert f"{videos[0].name}: {16 * videos[0].snippets} frames; 1 differ: 0-1 abnormal" in capsys.readouterr().out
    np.save(path, truth[:-3])
    assert "which no rule gives" in refusal(capsys, words)
    assert "no such file" in refusal(capsys, ["data", "audit", str(tmp_path / "gt.np"), "--bank", str(bank)])
