"""What is wrong in a user's tables, line by line: all of it in one error, and not the first alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmvad.errors import UserError

EXAMPLES = 5
"""How many lines of one kind of fault are named; the others are counted."""


class Faults:
    """Takes up the errors of lines, so that the others are read all the same."""

    def __init__(self) -> None:
        self.found: list[UserError] = []

    @contextmanager
    def line(self) -> Iterator[None]:
        """What is read in its body may be wrong: the error is kept and what follows goes on."""
        try:
            yield
        except UserError as error:
            self.found.append(error)

    def check(self) -> None:
        """Raises UserError for all that was kept: the one, or a listing of them."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise ManyFaults(self.found)


class ManyFaults(UserError):
    """Several faults in one error: those with one cure together, the first lines by name, the others counted."""

    def __init__(self, errors: Sequence[UserError]) -> None:
        groups: dict[tuple[str, object, object], list[UserError]] = {}
        for error in errors:
            groups.setdefault((_file(error), error.expected, error.fix), []).append(error)
        first, *others = dict.fromkeys(file for file, *_ in groups)
        also = f", of {first} and {', '.join(others)}" if others else ""
        super().__init__(first, f"{len(errors)} lines are wrong{also}")
        lines = [line for (file, *_), group in groups.items() for line in _lines(group, file if file == first else "")]
        self.args = ("\n".join([str(self), *lines]),)


def _file(error: UserError) -> str:
    return str(error.where).partition(", ")[0]


def _lines(group: Sequence[UserError], file: str) -> list[str]:
    """What is wrong, each thing once with its first lines; then what would be right.

    Args:
        file: what need not be said again, since the heading names it.
    """
    places: dict[str, list[str]] = {}
    for error in group:
        near = f" (did you mean {error.nearest}?)" if error.nearest else ""
        places.setdefault(f"{error.problem}{near}", []).append(str(error.where).removeprefix(f"{file}, "))
    lines = [f"  {_some(where)}: {what}" for what, where in places.items()]
    lines = lines[:EXAMPLES] + (
        [f"  ... and {len(lines) - EXAMPLES} more of this kind"] if len(lines) > EXAMPLES else []
    )
    lines += [f"    expected: {group[0].expected}"] if group[0].expected else []
    return lines + ([f"    fix: {group[0].fix}"] if group[0].fix else [])


def _some(places: Sequence[str]) -> str:
    more = f" and {len(places) - EXAMPLES} more" if len(places) > EXAMPLES else ""
    return ", ".join(places[:EXAMPLES]) + more
