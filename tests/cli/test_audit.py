"""`mmvad data audit` from the command line: what it prints, and its exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import open_bank
from mmvad.benchmarks.timeline import frame_truth
from mmvad.cli.main import main
from tests.runs import refusal


def test_exit_codes_and_the_table(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = open_bank(bank).test.videos
    truth = np.concatenate([frame_truth(v.intervals, 16 * v.snippets) for v in videos])
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
    np.save(path, truth[:-5])
    assert "which no rule gives" in refusal(capsys, words)
    assert "no such file" in refusal(capsys, ["data", "audit", str(tmp_path / "gt.np"), "--bank", str(bank)])


OWN = """
title: Own clips
classes: {Normal: normal, Assault: assault, Fighting: fighting}
videos: {file: list.csv, split: test, columns: {video: path, class: label}}
events:
  file: annotations.json
  end: inclusive
  columns: {video: video_name, class: label, frames: num_frames, events: anomalous, start: start_frame, end: end_frame}
"""


def test_a_users_own_benchmark_with_its_own_array(
    field_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real: the array is that of the events read with their last frame, in all 50,823 raw frames."""
    folder = field_data / "real" / "own_clips"
    if not (folder / "gt.npy").is_file():
        pytest.skip("the real clips are not here")
    for name in ("list.csv", "annotations.json"):
        shutil.copyfile(folder / name, tmp_path / name)
    (tmp_path / "clips.yaml").write_text(OWN)
    words = ["data", "audit", str(folder / "gt.npy"), "--benchmark", str(tmp_path / "clips.yaml")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "50,823 frames, 4,683 of them abnormal" in said
    assert "equal to the tables of Own clips in 10 of 10 videos" in said
    (tmp_path / "clips.yaml").write_text(OWN.replace("  end: inclusive\n", ""))
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "explained: read so that an event's last frame belongs to it, no frame differs" in said
    assert "end: inclusive" in said
