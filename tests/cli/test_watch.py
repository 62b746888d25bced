"""`mmvad watch` as a command: its lines, its end, its refusals."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import sys
from pathlib import Path

import pytest

from mmvad.cli.main import build_parser, main
from mmvad.runs import RunFolder
from tests import forked

pytest.importorskip("av", reason="the extra `video` is not installed")
pytest.importorskip("torchvggish", reason="the extra `video` is not installed")

from tests.live.streams import BytesServer, bright_clip

LIGHT = ["--visual-tower", "tests.cli.test_watch:picture", "--audio-tower", "tests.cli.test_watch:noise"]
"""Towers of the run's widths, so that nothing large is made."""
LOW = ["--on", "0.001", "--shortest", "0"]


@pytest.fixture(autouse=True)
def _cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """These towers and clips have one rate: nothing is resampled."""
    monkeypatch.setattr("mmvad.live.hearing.warm_up", lambda: None)


def picture(device: object) -> object:
    from tests.live.streams import Brightness
    from tests.small import WIDTH

    return Wide(Brightness(), WIDTH)


def noise(device: object) -> object:
    from tests.live.streams import Loudness
    from tests.small import AUDIO_WIDTH

    return Wide(Loudness(), AUDIO_WIDTH)


class Wide:
    """A tower with rows as wide as wanted."""

    def __init__(self, tower: object, width: int) -> None:
        self._tower, self.width = tower, width

    def __getattr__(self, name: str) -> object:
        return getattr(self._tower, name)

    def encode(self, prepared: object) -> object:
        return self._tower.encode(prepared)[:, :1].repeat(self.width, axis=1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bright_clip(tmp_path_factory.mktemp("watch") / "clip.ts", 14, (3, 6))


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_without_a_limit_scores_are_those_of_predict(
    trained: RunFolder,
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And standard output is JSON alone; the file holds the same lines."""
    words = ["--checkpoint", str(trained.path), "--device", "cpu", *LIGHT]
    assert main(["predict", str(clip), "--out", str(tmp_path), *words]) == 0
    capsys.readouterr()
    more = ["--look-ahead", "all", "--timeout", "200ms", "--scores", "--out", str(tmp_path / "lines" / "a.jsonl")]
    assert main(["watch", str(clip), *more, *words, *LOW]) == 0
    out, err = capsys.readouterr()
    found, wanted = lines(out), json.loads((tmp_path / "clip" / "prediction.json").read_text())["snippets"]
    scores = [event for event in found if event["event"] == "score"]
    assert [event["score"] for event in scores] == pytest.approx([s["combined"] for s in wanted], abs=6e-5)
    assert [event["end"] for event in scores] == pytest.approx([s["end"] for s in wanted], abs=6e-5)
    assert [event["event"] for event in found if event["event"] != "score"] == ["start", "alarm", "alarm_end"]
    kept = lines((tmp_path / "lines" / "a.jsonl").read_text())
    assert [event for event in kept if event["event"] != "note"] == found
    assert "22 snippets scored" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_the_last_alarm_closed(
    trained: RunFolder, clip: Path, tmp_path: Path, number: int, code: int
) -> None:
    """Of a pipe whose writer says nothing more."""
    words = ["watch", "-", "--checkpoint", str(trained.path), "--device", "cpu", *LIGHT[:2], "--clips", str(tmp_path)]
    words += [*LOW, "--look-ahead", "0", "--no-audio"]
    read, write = os.pipe()
    process = forked.start(
        [sys.executable, "-m", "mmvad", *words], stdin=read, stdout=forked.PIPE, stderr=forked.PIPE, env=environment()
    )
    os.close(read)
    content = clip.read_bytes()
    os.write(write, content[:60_000])
    first = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [event["event"] for event in first] == ["start", "alarm"]
    process.send_signal(number)
    out, err = process.communicate(60)
    os.close(write)
    assert process.returncode == code
    (last,) = lines(out)
    assert last["event"] == "alarm_end"
    assert Path(last["clip"]).stat().st_size > 1000
    assert "Traceback" not in err
    assert "snippets scored" in err


def test_the_commands_and_lines_of_the_documentation(
    trained: RunFolder, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command is one that can be given; the example's lines have the fields of real ones."""
    text = Path("docs/LIVE.md").read_text(encoding="utf-8")
    commands = re.findall(r"^.*\bmmvad watch (.*?)(?: #.*)?$", text.split("| SOURCE")[0], re.MULTILINE)
    assert len(commands) == 5
    for words in commands:
        options, rest = build_parser().parse_known_args(["watch", *shlex.split(words)])
        assert (options.verb, rest) == ("watch", [])
    shown = lines(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    assert main(["watch", str(clip), "--checkpoint", str(trained.path), "--timeout", "100ms", *LIGHT, *LOW]) == 0
    real = lines(capsys.readouterr().out)
    assert [event["event"] for event in shown] == [event["event"] for event in real]
    named = {"class", "probability"}
    assert [{*event} - named for event in shown] == [{*event} - named for event in real]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "CI": "true"}


def test_a_page_for_which_there_is_no_port(trained: RunFolder, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["watch", str(clip), "--checkpoint", str(trained.path), "--page", port, *LIGHT]) == 2
    assert f"--page: 127.0.0.1:{port}: cannot be had (Address already in use)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.ts"], "gone.ts: there is no such file"),
        (["/dev/video99"], "/dev/video99: no such device"),
        (["rstp://camera/1"], "did you mean: rtsp://?"),
        (["CLIP", "--look-ahead", "soon"], "--look-ahead: soon: is no length of time"),
        (["CLIP", "--shortest=-1s"], "--shortest: -1s: is no length of time"),
        (["CLIP", "--timeout", "0"], "--timeout: 0"),
        (["CLIP", "--on", "0.4", "--off", "0.6"], "--off: 0.6 is above --on 0.4"),
        (["CLIP", "--audio-track", "7", "--timeout", "50ms"], "has no audio track 7"),
        (["CLIP", "--clips", "CLIP"], "is a file"),
        (["CLIP", "--clips", "CLIP/clips"], "cannot be made"),
        (["CLIP", "--on-alarm", ""], "--on-alarm: : is empty"),
        (["CLIP", "--page", "web"], "--page: web: is no port"),
        (["CLIP", "--on-alarm", "no-such-program"], "--on-alarm: no-such-program: there is no program"),
        (["CLIP", "--out", "CLIP/a.jsonl"], "a.jsonl"),
        (["CLIP", "--chunk-overlap", "99"], "--chunk-overlap"),
        (
            ["CLIP", "--visual-tower", "tests.live.streams:brightness", "--no-audio"],
            "--visual-tower: visual features of width 2",
        ),
        (["CLIP", "--drop", "newest"], "--drop: 'newest' is not known"),
        (["TEXT", "--timeout", "50ms"], "is no video, or is damaged at its beginning"),
        (["http://127.0.0.1:9/a", "--timeout", "1s"], "http://127.0.0.1:9/a: cannot be read: Connection refused"),
    ],
)
def test_refusals(
    trained: RunFolder,
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    text = tmp_path / "text.ts"
    text.write_text("no video\n" * 999)
    words = [word.replace("CLIP", str(clip)).replace("TEXT", str(text)) for word in words]
    light = [] if "--visual-tower" in words else LIGHT
    assert main(["watch", *words, *light, "--checkpoint", str(trained.path)]) == 2
    out, err = capsys.readouterr()
    assert (out, said in err) == ("", True), err
    assert "Traceback" not in err


def test_a_stream_that_breaks_off_is_exit_code_1(
    trained: RunFolder, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = clip.read_bytes()
    server = BytesServer(content[: len(content) // 2], len(content))
    with server.up():
        assert main(["watch", server.url, "--checkpoint", str(trained.path), "--timeout", "2s", *LIGHT]) == 1
    assert "broke off before its end" in capsys.readouterr().err
