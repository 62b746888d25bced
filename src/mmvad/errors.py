"""Errors that a user can mend: what is wrong, what was expected, the nearest valid name, what to do.

The command line prints them without a traceback and exits with 2; everything else is a defect of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A bad input, said in the user's terms.

    Args:
        where: the file, key or option at fault.
        problem: what is wrong with it, with the value that was found.
        expected: what would have been right.
        nearest: the nearest valid name, where there is one.
        fix: the command or change that mends it.
    """

    def __init__(
        self,
        where: object,
        problem: str,
        *,
        expected: str | None = None,
        nearest: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.where, self.problem, self.expected, self.nearest, self.fix = where, problem, expected, nearest, fix
        lines = [f"{where}: {problem}"]
        lines += [f"  expected: {expected}"] if expected else []
        lines += [f"  did you mean: {nearest}?"] if nearest else []
        lines += [f"  fix: {fix}"] if fix else []
        super().__init__("\n".join(lines))


def nearest_name(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, or None where none is alike.

    One with the same letters comes first, then one that begins like it.
    """
    known = list(candidates)
    start = name.rpartition(".")[0] or name
    for alike in (lambda c: sorted(c) == sorted(name), lambda c: c.startswith(start)):
        fit = [candidate for candidate in known if name and alike(candidate)]
        if len(fit) == 1:
            return fit[0]
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return matches[0] if matches else None
