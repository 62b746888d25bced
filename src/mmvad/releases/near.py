"""Where a file that is missing may be: one folder too deep, in another folder, under a name like its own."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

from mmvad.errors import UserError
from mmvad.releases.arrays.reading import FORMATS


def feature_files(root: Path) -> Iterator[Path]:
    """Every file below the folder that could hold an array, by its suffix; what cannot be read is passed over."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names) if os.path.splitext(name)[1].lower() in FORMATS)


class Nearby:
    """The files below a folder that are at hand for what is missing.

    Args:
        taken: files that belong to a listed video already.

    Attributes:
        found: files that were pointed out.
    """

    def __init__(self, root: Path, taken: Collection[Path]) -> None:
        self.root, self.taken = root, taken
        self.found: set[Path] = set()

    def missing(self, wanted: Path, what: str) -> tuple[UserError, bool]:
        """The error of a file that is not there, and whether another one was found that seems to be it."""
        near = next((path for path in self._by_key.get(_key(wanted.name), ()) if path not in self.found), None)
        if near is None:
            return UserError(wanted, "there is no such file", expected=f"a feature file of {what}"), False
        self.found.add(near)
        problem, fix = _difference(wanted, near)
        error = UserError(wanted, f"there is no such file, but {problem}", nearest=str(near), fix=fix)
        return error, True

    @cached_property
    def _by_key(self) -> dict[str, list[Path]]:
        """Looked up once, and only if something is missing: there may be 50,000 files."""
        files: dict[str, list[Path]] = {}
        for path in feature_files(self.root):
            if path not in self.taken:
                files.setdefault(_key(path.name), []).append(path)
        return files


def _key(name: str) -> str:
    """What names have in common that differ in case, in signs, or in suffixes alone."""
    stem = unicodedata.normalize("NFKC", name).lower()
    while os.path.splitext(stem)[1] in FORMATS:
        stem = os.path.splitext(stem)[0]
    return re.sub(r"[\W_]+", "_", stem).strip("_")


def _difference(wanted: Path, near: Path) -> tuple[str, str]:
    """How the file that was found differs from the one that is missing, and what to do."""
    rename = f"rename such files as the lists name their videos: {near.name} to {wanted.name}"
    if near.name == wanted.name:
        deeper = wanted.parent in near.parents
        depth = len(near.parent.relative_to(wanted.parent).parts) if deeper else 0
        where = "one folder too deep" if depth == 1 else "folders too deep" if deeper else "in another folder"
        return f"one of its name lies {where}", f"move the files of {near.parent} to {wanted.parent}"
    if near.name.lower() == wanted.name.lower():
        return "one whose name differs in upper and lower case", rename
    suffixes = near.name.removeprefix(wanted.name)
    if suffixes != near.name and suffixes.lower() in FORMATS:
        return f"one with the suffix {wanted.suffix} twice", rename
    if near.stem == wanted.stem:
        fix = f"save the arrays as {wanted.suffix}, or describe them in a benchmark file, which reads {near.suffix}"
        return f"one in another form, {near.suffix}", fix
    return "one whose name differs in signs such as # = . _", rename
