"""The card of a run: its figures are the report's, its pictures are there, its command makes the run again."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

from mmvad.cli.main import main
from mmvad.config.load import load_config
from mmvad.runs import RunFolder, run_config
from mmvad.tables.scored import scored_videos
from mmvad.training.card import _worst_lines, headline_lines
from mmvad.training.prepare import prepare
from tests.runs import report


def test_the_card_says_what_the_report_says(finished: RunFolder) -> None:
    card, content = finished.card.read_text(), report(finished)
    found = re.search(r"\*\*AP ([\d.]+)\*\* \[([\d.]+), ([\d.]+)\]", card)
    assert found is not None
    value, low, high = map(float, found.groups())
    assert low <= value == round(100 * content["scores"]["combined"]["ap"], 2) <= high
    assert f"| event AP | {100 * content['use']['combined']['event_ap']:.2f} |" in card
    assert f"held-out training videos: {content['use']['combined']['held_out_threshold']:.4g}" in card
    assert f"bank {content['bank_hash'][:12]}: 14 training, 8 test videos" in card
    assert "optim.epochs=3" in card
    for figure in re.findall(r"\(figures/(.*?)\)", card):
        assert (finished.figures / figure).is_file()
    assert len(re.findall(r"\[curve\]", card)) == 4


def test_its_command_is_the_run(finished: RunFolder) -> None:
    line = next(line for line in finished.card.read_text().splitlines() if line.startswith("- again: "))
    words = shlex.split(line.partition("`")[2].rstrip("`"))
    assert words[:2] == ["mmvad", "train"]
    assert load_config([finished.config]).model_dump(exclude={"runtime"}) == load_config(
        [words[2].removeprefix("--config=")]
    ).model_dump(exclude={"runtime"})
    assert main([*words[1:3], f"--runtime.results={finished.path.parent}"]) == 0  # done before: the same identity


def test_too_few_videos_leave_the_card_without_interval(finished: RunFolder) -> None:
    """Where most resamples have no figure there is none: it stood there as [nan, nan]."""
    prepared = prepare(run_config(finished))
    videos = scored_videos(finished.path, prepared.bank.test.videos)
    abnormal = next(video for video in videos if video.intervals)
    line, *_ = headline_lines(prepared, report(finished), [abnormal])
    assert "without interval: one test video" in line
    assert "[" not in line


def test_names_on_the_card_stand_as_they_are(finished: RunFolder) -> None:
    prepared = prepare(run_config(finished))
    videos = scored_videos(finished.path, prepared.bank.test.videos)
    lines = list(_worst_lines([(replace(videos[0], name="a|b *c* <i>"), "AUC inside 1.0")], {}))
    assert lines[0].startswith(r"- a\|b \*c\* \<i> (")
