"""What can be watched, and what is refused before anything is loaded or opened for long."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

pytest.importorskip("av", reason="the extra `video` is not installed")

from mmvad.errors import UserError
from mmvad.live.source import Arriving, open_source, stream_source


@pytest.mark.parametrize(
    ("word", "kind", "waits"),
    [
        ("rtsp://camera/1", "network", False),
        ("HTTP://host/live.ts", "network", True),
        ("https://host/live.m3u8", "network", True),
        ("udp://@239.0.0.1:1234", "network", False),
        ("/dev/null", "device", False),
    ],
)
def test_what_a_word_means(word: str, kind: str, waits: bool) -> None:
    source = stream_source(word)
    assert (source.kind, source.waits) == (kind, waits)


def test_user_and_password_are_not_printed() -> None:
    assert stream_source("rtsp://admin:p%40ss@10.0.0.1/1").name == "rtsp://10.0.0.1/1"
    for word, name in {
        "rtsp://admin:p@ss@10.0.0.1/1": "rtsp://10.0.0.1/1",
        "rtsp://admin:pa/ss@10.0.0.1/1": "rtsp://10.0.0.1/1",
        "http://10.0.0.1:8080/a@b": "http://10.0.0.1:8080/a@b",
        "http://[::1]:8080/a@b": "http://[::1]:8080/a@b",
        "rtsp://10.0.0.1/1?user=admin&password=secret&channel=1": "rtsp://10.0.0.1/1?user=admin&password=...&channel=1",
        "rtsp://10.0.0.1/user=admin_password=se_cret_channel=1": "rtsp://10.0.0.1/user=admin_password=...",
        "udp://@239.0.0.1:1234": "udp://239.0.0.1:1234",
    }.items():
        assert stream_source(word).name == name
    with pytest.raises(UserError) as error:
        stream_source("rtps://admin:secret@10.0.0.1/1")
    assert "secret" not in str(error.value)
    assert "did you mean: rtsp://" in str(error.value)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("gone.ts", "there is no such file"),
        ("/dev/video99", "no such device"),
        (".", "is a folder(.|\n)*predict --watch"),
        ("ftp://host/a.ts", "ftp:// is not watched"),
    ],
)
def test_what_cannot_be_watched(word: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        stream_source(word)


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match="standard input is closed"):
        stream_source("-")


@pytest.mark.parametrize("content", [b"", b"no video at all\n" * 500, b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"])
def test_a_file_that_is_no_video(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.ts"
    path.write_bytes(content)
    with pytest.raises(UserError, match=str(path)):
        open_source(stream_source(str(path)), 0.05, lambda: False)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("http://127.0.0.1:9/x", "Connection refused"),
        ("rtsp://u:secret@127.0.0.1:9/x", "Connection refused"),
        ("/dev/null", "/dev/null: "),
    ],
)
def test_what_is_not_there(word: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        open_source(stream_source(word), 1.0, lambda: False)
    assert "secret" not in str(error.value)


def test_a_pipe_gives_what_is_there_and_ends_when_its_writer_closes_it() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as file:
        pipe = Arriving(file, None, lambda: False)
        os.write(write, b"abc")
        assert pipe.read(100) == b"abc"
        threading.Timer(0.05, lambda: (os.write(write, b"de"), os.close(write))).start()
        assert pipe.read(100) == b"de"
        assert pipe.read(100) == b""


def test_a_file_ends_when_nothing_comes_for_long(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with open(path, "rb", buffering=0) as file:
        growing = Arriving(file, 0.1, lambda: False)
        assert growing.read(100) == b"abc"
        path.write_bytes(b"abcde")
        assert growing.read(100) == b"de"
        assert growing.read(100) == b""
        growing.seek(1)
        assert growing.read(2) == b"bc"
