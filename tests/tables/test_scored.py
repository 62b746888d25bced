"""Scores that are missing or broken: what the message tells to do brings them back."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import open_bank
from mmvad.benchmarks.timeline import Timing
from mmvad.cli.main import main
from mmvad.errors import UserError
from mmvad.runs import RunFolder, write_scores
from mmvad.tables.scored import _test_videos, scored_videos
from mmvad.training.train import train
from tests.runs import configured
from tests.small import write_bank
from tests.tables.made_up import scored


@pytest.mark.parametrize("state", ["broken", "pulled"])
def test_the_message_brings_the_scores_back(state: str, tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "bank")
    made = train(configured(bank, tmp_path / "there"))
    report, scores = made.report.read_bytes(), made.scores.read_bytes()
    folder = RunFolder(shutil.copytree(made.path, tmp_path / "here" / made.path.name))
    if state == "broken":
        folder.scores.write_bytes(scores[:100])
    else:  # configuration, manifest and report are all that comes through a database
        folder.scores.unlink()
        shutil.rmtree(folder.checkpoints)
    truth = open_bank(bank).test.videos
    with pytest.raises(UserError, match=r"scores\.npz") as refused:
        scored_videos(folder.path, truth)
    removed, command = re.search(r"remove (\S+), then `(.*)`", str(refused.value)).groups()  # type: ignore[union-attr]
    Path(removed).unlink()
    assert main(shlex.split(command)[1:]) == 0
    assert (folder.report.read_bytes(), folder.scores.read_bytes()) == (report, scores)
    assert len(scored_videos(folder.path, truth)) == len(truth)


def test_scores_come_with_their_videos_timing(results_bank: Path, tmp_path: Path) -> None:
    made = scored(results_bank, 2.0, 0)
    write_scores(RunFolder(tmp_path).scores, made)
    truth = [replace(v, timing=Timing(row_frames=8.0, fps=50.0)) for v in _test_videos(results_bank)]
    found = scored_videos(tmp_path, truth)
    assert {video.fps for video in found} == {50.0}
    assert all((np.diff(video.frame_edges) == 8).all() for video in found)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda scores: np.where(np.arange(len(scores)) == 1, np.nan, scores), "1 of .* values are NaN"),
        (lambda scores: scores[:, None], "coarse has shape"),
        (lambda scores: scores.astype(str), "coarse is of type <U"),
        (lambda scores: None, "video001 has no coarse"),
        (lambda scores: scores[:-1], "scores of video001"),
    ],
)
def test_scores_that_would_give_wrong_figures_are_refused(
    results_bank: Path, tmp_path: Path, damage: Callable, message: str
) -> None:
    """They are looked at as a run's own test looks at them: a single NaN made every interval [0, 0]."""
    path = RunFolder(tmp_path).scores
    write_scores(path, scored(results_bank, 2.0, 0))
    with np.load(path) as file:
        arrays = dict(file)
    arrays["video001/coarse"] = damage(arrays["video001/coarse"])
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=message) as refused:
        scored_videos(tmp_path, _test_videos(results_bank))
    assert str(refused.value).startswith(str(path))
    assert "then `mmvad train" in str(refused.value)
