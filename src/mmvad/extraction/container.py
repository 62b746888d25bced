"""A video file, open: its packets, also behind damage, and the frames that they decode to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from mmvad.errors import UserError
from mmvad.extraction.timestamps import Move, seconds_later

VIDEO = "a video file with a picture (MP4, MKV, AVI, MOV, WebM, ...)"
NO_FRAME = "no frame can be decoded"
_SEARCHED = 16_384
"""Bytes, fewer than any demuxer passes over before it says that it found nothing yet."""
_TRIES = 16
"""How often reading fails in one place before that is the end."""

_TITLES: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
"""Titles that are no UTF-8 are no reason to refuse a file: PyAV escapes them itself from release 19 on."""


def decoder_version() -> dict[str, str]:
    """The decoder and its version, as a manifest holds them."""
    return {"pyav": av.__version__, "ffmpeg": str(av.ffmpeg_version_info)}


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The open file. Only this file is read: a playlist that names others is refused.

    Raises UserError, naming the file, for what is no media file.
    """
    if not path.is_file():
        raise UserError(path, "is a folder" if path.is_dir() else "there is no such file", expected=VIDEO)
    if not path.stat().st_size:
        raise UserError(path, "is empty (0 bytes)", expected=VIDEO)
    try:
        container = av.open(f"file:{path}", container_options={"protocol_whitelist": "file"}, **_TITLES)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UserError(path, _why_unreadable(path, error), expected=VIDEO) from error
    with container:
        yield container


def _why_unreadable(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    with open(path, "rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return f"cannot be read: an MP4 or MOV file whose index is missing, so it is cut off ({reason})"
    return f"is no video, or is damaged at its beginning ({reason})"


def begin_of(container: InputContainer) -> float:
    """The second of the file's own clock at which it begins: picture or sound, whichever is first."""
    return (container.start_time or 0) / av.time_base


def packets(container: InputContainer, streams: Any, notes: list[str]) -> Iterator[av.Packet]:
    """All packets of these streams that hold something.

    Damage is no end: reading goes on behind it. Where it cannot, a note says so.
    """
    failures, most = 0, _TRIES + container.size // _SEARCHED
    while True:
        try:
            for packet in container.demux(streams):
                failures = 0
                if packet.size:  # an empty one would tell the decoder that the file ends
                    yield packet
            return
        except IndexError:  # PyAV 18, at the very end, where streams came up on the way
            return
        except (av.FFmpegError, OSError) as error:
            failures += 1
            passable = isinstance(error, (av.error.BlockingIOError, av.error.InvalidDataError))
            if failures >= (most if passable else _TRIES):
                notes.append(f"reading ends early ({error.strerror})")
                return


def decoded(container: InputContainer, stream: Any, notes: list[str], moved: Sequence[Move] = ()) -> Iterator[Any]:
    """All frames that can be decoded, each with a time base; packets that cannot are counted in `notes`.

    Args:
        moved: of this stream, by how much packets are later than their stamps say.
    """
    broken = 0
    for number, packet in enumerate(chain(packets(container, stream, notes), [None])):
        try:
            if packet is not None and moved:
                _move(packet, seconds_later(moved, number))
            frames = stream.codec_context.decode(packet)
        except av.error.EOFError:
            continue
        except (av.FFmpegError, ValueError, OverflowError):
            broken += 1
            continue
        for frame in frames:
            frame.time_base = stream.time_base  # those that come last have none of their own
            yield frame
    if broken:
        notes.append(f"{stream.type}: {broken} packets cannot be decoded and are left out")


def _move(packet: av.Packet, seconds: float) -> None:
    ticks = round(seconds / float(packet.time_base)) if packet.time_base else 0
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks
