"""Scores that are missing or broken: what the message tells to do brings them back."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from mmvad.bank.bank import open_bank
from mmvad.cli.main import main
from mmvad.errors import UserError
from mmvad.runs import RunFolder
from mmvad.tables.scored import scored_videos
from mmvad.training.train import train
from tests.runs import configured
from tests.small import write_bank


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
