"""JSON lines on standard output and in a file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from mmvad.errors import UserError
from mmvad.live.lines import Lines


class Descriptor:
    """A file that writes at once."""

    def __init__(self, number: int) -> None:
        self.number = number

    def write(self, text: str) -> int:
        return os.write(self.number, text.encode())

    def flush(self) -> None:
        pass


def test_both_get_each_line_and_the_file_the_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deep" / "a.jsonl"
    for event in ({"event": "alarm", "start": 1 / 3}, {"event": "alarm_end"}):
        lines = Lines(path, print)
        lines.write(event)
        lines.note("lost")
        lines.close()
    out = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in out] == [{"event": "alarm", "start": 0.3333}, {"event": "alarm_end"}]
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["event"] for event in kept] == ["alarm", "note", "alarm_end", "note"], "appended, never replaced"


def test_a_full_disk_is_said_once_and_stdout_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    lines = Lines(Path("/dev/full"), said.append)
    for number in range(3):
        lines.write({"event": "score", "start": number})
    lines.close()
    assert len(capsys.readouterr().out.splitlines()) == 3
    (line,) = said
    assert line.startswith("/dev/full: ")
    assert line.endswith("lines are lost until it can be written again")


def test_a_line_that_was_cut_is_followed_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = Lines(path, print)
    lines._cut = True  # as a disk leaves it that has taken a part
    path.write_text('{"event": "sco')
    lines.note("again")
    lines.close()
    assert json.loads(path.read_text().splitlines()[1]) == {"event": "note", "text": "again"}


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"a\.jsonl"):
        Lines(tmp_path / "file" / "a.jsonl", print)
    with pytest.raises(UserError, match="is a folder"):
        Lines(tmp_path, print)


def test_standard_output_on_a_full_disk_is_said_once_and_the_file_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    lines = Lines(tmp_path / "a.jsonl", said.append)
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(sys, "stdout", Descriptor(full))
    for number in range(3):
        lines.write({"event": "score", "start": number})
    os.close(full)
    assert said == ["standard output: No space left on device; lines are lost until it can be written again"]
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 3


def test_a_reader_that_has_gone_is_an_error_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines(tmp_path / "a.jsonl", print)
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setattr(sys, "stdout", Descriptor(write))
    with pytest.raises(BrokenPipeError):
        lines.write({"event": "alarm"})
    lines.write({"event": "alarm_end"})
    os.close(write)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 2, "the file has the alarm's end"
