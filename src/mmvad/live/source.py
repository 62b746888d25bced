"""What is watched: an address, a camera, a pipe, a file that grows. What its word means, and how it is opened."""

from __future__ import annotations

import os
import re
import select
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
from av.container import InputContainer

from mmvad.errors import UserError, nearest_name
from mmvad.extraction.container import VIDEO

Kind = Literal["network", "device", "pipe", "file"]
_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtsps,rtp,srtp,udp,tcp,tls",
    "http": "http,httpproxy,https,tls,tcp,crypto,data",
    "https": "http,httpproxy,https,tls,tcp,crypto,data",
    "udp": "udp",
    "tcp": "tcp",
}
"""By scheme, what its addresses and those in its playlists may use: never a file of this machine."""
_OPTIONS = {"rtsp": {"rtsp_flags": "prefer_tcp"}, "rtsps": {"rtsp_flags": "prefer_tcp"}}
_UNPACED = {"http", "https", "tcp"}
"""Schemes whose sender waits for a reader that is slow."""
_ADDRESS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_USER = re.compile(r"(?<=://)(?:[^/\s]*|[^/\s:\[]+:(?!\d+/)\S*)@")
"""Up to the last @, as FFmpeg reads it: passwords have @ in them, and slashes, whether they may or not."""
_SECRET = re.compile(r"(?i)(?<![a-z])(pass|passwd|password|pwd|token|secret)=[^&\s]*")
"""What cameras take behind the address in place of a user."""
_LOOK_SECONDS = 0.1
EXPECTED = "rtsp://..., http://..., udp://..., tcp://..., a device (/dev/video0), a file, or - for a pipe"


@dataclass(frozen=True)
class StreamSource:
    """What is watched.

    Attributes:
        word: as the user gave it.
        name: the same without user and password: for all that is printed.
        kind: which of the four it is.
        waits: whether it stands still while nobody reads: then nothing need be dropped.
    """

    word: str
    name: str
    kind: Kind
    waits: bool

    @property
    def scheme(self) -> str:
        found = _ADDRESS.match(self.word)
        return found[1].lower() if found else ""


def stream_source(word: str) -> StreamSource:
    """What the word means. Raises UserError for what cannot be watched: a folder, no such file, another protocol."""
    if scheme := _ADDRESS.match(word):
        return _address(word, scheme[1].lower())
    if word == "-":
        if sys.stdin is None or sys.stdin.isatty():
            problem = f"standard input is {'closed' if sys.stdin is None else 'a terminal'}"
            raise UserError("-", problem, expected="a pipe that brings a video")
        return StreamSource(word, "standard input", "pipe", waits=True)
    path = Path(word)
    if path.is_dir():
        problem = "is a folder"
        raise UserError(path, problem, expected=EXPECTED, fix=f"mmvad predict --watch {path} scores what comes there")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        kind = "no such device" if word.startswith("/dev/") else "there is no such file"
        near = nearest_name(word, [f"/dev/{name}" for name in sorted(_videos())]) if word.startswith("/dev/") else None
        problem = kind if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise UserError(word, problem, expected=EXPECTED, nearest=near) from error
    if stat.S_ISCHR(mode):
        return StreamSource(word, word, "device", waits=False)
    return StreamSource(word, word, "file" if stat.S_ISREG(mode) else "pipe", waits=True)


def _address(word: str, scheme: str) -> StreamSource:
    if scheme not in _PROTOCOLS:
        near = nearest_name(scheme, _PROTOCOLS)
        problem = f"{scheme}:// is not watched"
        raise UserError(without_password(word), problem, expected=EXPECTED, nearest=near and f"{near}://")
    return StreamSource(word, without_password(word), "network", waits=scheme in _UNPACED)


def without_password(text: str) -> str:
    """The text with addresses that name no user and no password."""
    return _SECRET.sub(r"\1=...", _USER.sub("", text))


def _videos() -> list[str]:
    return [name for name in os.listdir("/dev") if name.startswith("video")] if os.path.isdir("/dev") else []


def open_source(source: StreamSource, timeout: float, stopped: Callable[[], bool]) -> InputContainer:
    """The open stream.

    Args:
        timeout: seconds without a byte after which a connection is lost, and a file has ended.
        stopped: ends what waits for bytes.

    Raises UserError, naming the source, where it is not there or no video.
    """
    given: dict[str, Any] = {}
    file: Any = source.word
    if source.kind == "network":
        options = {"protocol_whitelist": _PROTOCOLS[source.scheme], **_OPTIONS.get(source.scheme, {})}
        given = {"timeout": (timeout, timeout), "container_options": options}
    elif source.kind == "device":
        given = {"timeout": (timeout, timeout), "format": "v4l2"}
    else:
        whole = source.kind == "file"
        file = Arriving(_bytes_of(source), timeout if whole else None, stopped)
        given = {"container_options": {"protocol_whitelist": "none"}}
    try:
        return av.open(file, **given)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UserError(source.name, why(error), expected=_expected(source)) from error


def _expected(source: StreamSource) -> str:
    return {"device": "a camera that video4linux knows", "network": "a stream with a picture"}.get(source.kind, VIDEO)


def why(error: Exception) -> str:
    """An error of the decoder in words, without passwords."""
    if isinstance(error, av.error.InvalidDataError):
        return "is no video, or is damaged at its beginning"
    if isinstance(error, av.error.ExitError):
        return "nothing came in time"
    if isinstance(error, av.error.EOFError):
        return "ends before there is a picture"
    reason = getattr(error, "strerror", None) or str(error)
    return without_password(f"cannot be read: {reason}")


def _bytes_of(source: StreamSource) -> BinaryIO:
    try:
        return sys.stdin.buffer if source.word == "-" else open(source.word, "rb", buffering=0)
    except OSError as error:
        raise UserError(source.name, f"cannot be read: {error.strerror}") from error


class Arriving:
    """A file whose `read` waits for bytes that are still to come, as PyAV takes one.

    Args:
        patience: seconds without a new byte after which a file has ended; None: it ends when its writer closes it.
    """

    def __init__(self, file: BinaryIO, patience: float | None, stopped: Callable[[], bool]) -> None:
        self._file, self._patience, self._stopped = file, patience, stopped
        self._ended = False
        if patience is not None:
            self.seek, self.tell = file.seek, file.tell  # which PyAV looks for: a pipe has none

    def read(self, size: int) -> bytes:
        """At most `size` bytes, at least one; none at the end."""
        since = time.monotonic()
        while not self._stopped():
            if self._patience is None:
                if not select.select([self._file], [], [], _LOOK_SECONDS)[0]:
                    continue
                return os.read(self._file.fileno(), size)
            if data := self._file.read(size):
                return data
            if self._ended or time.monotonic() - since > self._patience:
                self._ended = True  # the demuxer asks again and again
                return b""
            time.sleep(_LOOK_SECONDS / 2)
        return b""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
