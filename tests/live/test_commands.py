"""A command for each alarm."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from mmvad.errors import UserError
from mmvad.live.commands import AT_ONCE, AlarmCommand

ALARM = {"event": "alarm", "alarm": 3, "start": 1.5}


def test_it_gets_the_alarm_on_its_standard_input_and_no_shell_reads_it(tmp_path: Path) -> None:
    out, said = tmp_path / "out $HOME; file", list[str]()
    command = AlarmCommand(f"tee -a '{out}'", 5, said.append)
    command.run({**ALARM, "end": 8 / 3})
    command.end()
    assert json.loads(out.read_text()) == {**ALARM, "end": 2.6667}  # as the line on standard output has it
    assert said == []


def test_one_that_takes_too_long_is_killed_and_one_that_fails_is_named() -> None:
    said = list[str]()
    slow, bad = AlarmCommand("sleep 30", 0.1, said.append), AlarmCommand("false", 5, said.append)
    began = time.monotonic()
    slow.run(ALARM)
    bad.run(ALARM)
    assert time.monotonic() - began < 1, "nobody waits for them"
    slow.end()
    bad.end()
    assert sorted(said) == [
        "--on-alarm: false, alarm 3: ended with code 1",
        "--on-alarm: sleep, alarm 3: killed after 0.1 s",
    ]


def test_no_more_than_a_few_at_once() -> None:
    said = list[str]()
    command = AlarmCommand("sleep 30", 0.5, said.append)
    for _ in range(AT_ONCE + 2):
        command.run(ALARM)
    assert len(said) == 2
    assert "still running" in said[0]
    command.end()


@pytest.mark.parametrize("text", ["", "no-such-program-at-all x", "echo 'open"])
def test_what_cannot_be_run_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(UserError, match="--on-alarm"):
        AlarmCommand(text, 5, print)
