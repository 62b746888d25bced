"""What a watch says: JSON lines for programs, on standard output and in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from mmvad.errors import UserError
from mmvad.system.disk import disk_errors

DIGITS = 4


class Lines:
    """Writes each event as a line of JSON to standard output, and to a file where there is one.

    What cannot be written any more, as on a full disk, is said so, and tried again with the next line.

    Args:
        tell: takes what goes wrong, in a line.

    Raises UserError where the file cannot be written in the first place; `write` raises BrokenPipeError, once, where
    nobody reads any more.
    """

    def __init__(self, path: Path | None, tell: Callable[[str], object]) -> None:
        self._path, self._tell, self._stack = path, tell, ExitStack()
        self._file: BinaryIO | None = None
        self._cut = self._fails = self._gone = self._is_full = False
        if path is not None and path.is_dir():
            raise UserError(path, "is a folder", expected="a file, to which lines are appended")
        if path is not None:
            with disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._stack.enter_context(path.open("ab", buffering=0))

    def write(self, event: Mapping[str, Any]) -> None:
        """Writes the line, to both."""
        line = json.dumps(rounded(event)) + "\n"
        self._append(line.encode())
        self._print(line)

    def note(self, text: str) -> None:
        """Writes what is said on standard error to the file, too."""
        self._append((json.dumps({"event": "note", "text": text}) + "\n").encode())

    def close(self) -> None:
        """Closes the file."""
        self._stack.close()

    def _print(self, line: str) -> None:
        if self._gone:
            return
        try:
            sys.stdout.write(line)
            sys.stdout.flush()
        except BrokenPipeError:
            self._gone = True
            raise
        except OSError as error:
            if not self._is_full:
                self._tell(f"standard output: {error.strerror}; lines are lost until it can be written again")
            self._is_full = True
        else:
            self._is_full = False

    def _append(self, line: bytes) -> None:
        if self._file is None or self._path is None:
            return
        data = b"\n" * self._cut + line
        try:
            with disk_errors(self._path):
                self._cut = self._file.write(data) < len(data)  # a full disk takes a part: the next line begins anew
        except UserError as error:
            if not self._fails:
                self._tell(f"{self._path}: {error.problem}; lines are lost until it can be written again")
            self._fails = True
        else:
            self._fails = False


def rounded(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event with its numbers as they are worth printing."""
    return {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in event.items()}
