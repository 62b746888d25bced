"""The one net around a file: what it holds and what passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.errors import UserError
from mmvad.system.attempts import Failure, attempt
from mmvad.system.disk import DiskFullError


def raising(error: BaseException) -> int:
    raise error


def test_what_is_done_is_given() -> None:
    assert attempt("a.mp4", lambda: 3) == 3


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UserError("a.mp4", "is empty"), "a.mp4: is empty"),
        (TypeError("unsupported operand"), "a.mp4: TypeError: unsupported operand"),
        (IndexError(), "a.mp4: IndexError: "),
        (MemoryError("1 TiB"), "a.mp4: MemoryError: 1 TiB"),
        (OSError(5, "Input/output error"), "a.mp4: OSError: [Errno 5] Input/output error"),
    ],
)
def test_any_error_is_the_files_own(error: Exception, reason: str) -> None:
    assert attempt(Path("a.mp4"), lambda: raising(error)) == Failure(reason)


@pytest.mark.parametrize("error", [DiskFullError("a", "full"), KeyboardInterrupt(), SystemExit(1)])
def test_what_ends_everything_passes(error: BaseException) -> None:
    with pytest.raises(type(error)):
        attempt("a.mp4", lambda: raising(error))
