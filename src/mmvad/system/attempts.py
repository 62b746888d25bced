"""One of many files that fails, named, while the others go on: the one net, around a video or its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mmvad.errors import UserError
from mmvad.system.disk import DiskFullError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """Why a file failed, in words: not its error, whose traceback would keep all that it names."""

    reason: str


def attempt(where: object, work: Callable[[], Result]) -> Result | Failure:
    """What `work` gives; a Failure where it cannot be done with this file.

    A file of a kind that nobody has seen shall not take the others with it, so every error is one of the file's.
    Raises DiskFullError, which no other file would escape, and what asks to end, such as KeyboardInterrupt.
    """
    try:
        return work()
    except DiskFullError:
        raise
    except UserError as error:
        return Failure(str(error))
    except Exception as error:
        return Failure(f"{where}: {type(error).__name__}: {error}")
