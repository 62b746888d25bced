"""The truth of lists and banks, and tables of lengths."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.bank.bank import open_bank
from mmvad.benchmarks.registry import PLANTED, UCF_CRIME
from mmvad.errors import UserError
from mmvad.evaluation.truth import Length, read_lengths, truth_of_bank
from tests.evaluation.made import FRAMES, LENGTHS, ROWS, tiny_truth


def test_a_bank_has_the_truth_of_its_test_split(bank: Path) -> None:
    opened = open_bank(bank)
    truth = truth_of_bank(PLANTED, opened)
    assert [v.name for v in truth.videos] == [v.name for v in opened.test.videos]
    assert [v.rows for v in truth.videos] == [v.snippets for v in opened.test.videos]
    assert [v.intervals for v in truth.videos] == [v.intervals for v in opened.test.videos]
    assert truth.training == {v.name for v in opened.train.videos}
    assert (truth.content_hash, truth.bank) == (opened.content_hash, bank)
    with pytest.raises(UserError, match="is a bank of planted"):
        truth_of_bank(UCF_CRIME, opened)


def test_lists_know_lengths_from_a_table_alone() -> None:
    assert {v.name: (v.frames, v.rows) for v in tiny_truth().videos} == {n: (FRAMES[n], ROWS[n]) for n in FRAMES}
    assert {(v.frames, v.rows) for v in tiny_truth(None).videos} == {(None, None)}
    assert tiny_truth().content_hash == tiny_truth(None).content_hash, "annotations are what scores are held against"
    with pytest.raises(UserError, match="says nothing of 3 test videos: b_x264"):
        tiny_truth({"a_x264": LENGTHS["a_x264"]})


def test_a_table_of_lengths(tmp_path: Path) -> None:
    path = tmp_path / "lengths.csv"
    path.write_text("label, video, snippets, frames\nx, Arson/a_x264.mp4, 6, 100\ny, b_x264, 4, 64\n")
    assert read_lengths(path) == {"a_x264": Length(100, 6), "b_x264": Length(64, 4)}
    path.write_text("video,frames\na_x264,100\n")
    assert read_lengths(path) == {"a_x264": Length(100, None)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,frames\na,3\n", "line 1: columns"),
        ("video,label\na,3\n", "expected: video, and frames or snippets"),
        ("", "line 1: columns"),
        ("video,frames\na,3\nb,x\n", "line 3: 'x' is no length"),
        ("video,frames\na\n", "line 2: None is no length"),
        ("video,frames\na,3\na.mp4,3\n", "line 3: the video a a second time"),
    ],
)
def test_what_a_table_of_lengths_refuses(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "lengths.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        read_lengths(path)
