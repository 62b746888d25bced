"""Lines of list and annotation files, and what their fields have in common: video names, frame numbers, events.

Every error names file and line, the value, and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmvad.errors import UserError


@dataclass(frozen=True)
class Line:
    """One line that is not empty; `str()` gives "FILE, line N", the place that error messages name."""

    path: Path
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.number}"


def read_text(path: Path) -> str:
    """The file's text (UTF-8, a byte order mark is dropped). Raises UserError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(path, f"not a text file (byte {error.start} is no UTF-8)", expected="a UTF-8 text") from error
    except OSError as error:
        raise UserError(path, f"cannot be read: {error.strerror}", expected="a readable file") from error


def read_lines(path: Path) -> Iterator[Line]:
    """The lines that are not empty, in order. Raises UserError where the file cannot be read."""
    for number, text in enumerate(read_text(path).splitlines(), start=1):
        if text.strip():
            yield Line(path, number, text.strip())


def video_name(text: str) -> str:
    """The video that a list's field names: without folders (of either slash) and without a stray `.mp4`."""
    return re.split(r"[/\\]", text.strip())[-1].removesuffix(".mp4")


def frame_number(text: str, where: object, form: str) -> int:
    """A frame as an integer. Raises UserError, naming `where` and the `form` of its line, for anything else."""
    if not re.fullmatch(r"-?[0-9]+", text):
        expected = f"a whole number of frames, such as 1517; a line is {form}"
        raise UserError(where, f"{text!r} is no frame number", expected=expected)
    return int(text)


def frame_span(start: str, end: str, where: object, form: str) -> tuple[int, int]:
    """An event's (start, end) in frames. Raises UserError where it is malformed, negative or empty."""
    first, last = frame_number(start, where, form), frame_number(end, where, form)
    if first < 0 or last <= first:
        raise UserError(where, f"event from frame {first} to {last}", expected=f"0 <= start < end; a line is {form}")
    return first, last
