"""Rows as text: one row a line, its numbers apart by blanks or tabs (C3D's files), commas or semicolons."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmvad.errors import UserError
from mmvad.releases.arrays.stored import Stored

DTYPE = np.dtype(np.float32)
"""Text has no dtype of its own; features are printed with seven digits at most."""


def text_arrays(path: Path) -> dict[str, Stored]:
    """The one array of a text file, under the name "". All of it is read. Raises UserError as `load_text` does."""
    return {"": Stored(load_text(path, "").shape, DTYPE.name)}


def load_text(path: Path, name: str) -> np.ndarray:
    """The rows [lines, d] of a text file, float32; a first line of column names is passed over.

    Raises UserError, naming file and line, for what is no number and for lines of unequal length.
    """
    del name
    lines = _lines(path)
    comma = next((mark for mark in ",;" if lines and mark in lines[0][1]), None)
    if lines and _is_heading(lines[0][1].split(comma)):
        lines = lines[1:]
    if not lines:
        raise UserError(path, "holds no rows", expected="one row a line")
    try:
        with np.errstate(over="ignore"):
            return np.loadtxt([text for _, text in lines], DTYPE, comments=None, delimiter=comma, ndmin=2)
    except ValueError as error:
        raise _bad_line(path, lines, comma) from error


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbers and texts of the lines that hold anything; a comma at the end of a line ends its last number."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(path, "is no text in UTF-8", expected="numbers, one row a line") from error
    lines = ((number, line.strip().rstrip(",;")) for number, line in enumerate(text.split("\n"), start=1))
    return [(number, line) for number, line in lines if line]


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None


def _is_heading(fields: list[str]) -> bool:
    """Whether a line names columns: every field is there, and none is a number."""
    return all(field.strip() and _number(field) is None for field in fields)


def _bad_line(path: Path, lines: list[tuple[int, str]], comma: str | None) -> UserError:
    """The error of the first line that differs from the first one, or holds what is no number."""
    width = len(lines[0][1].split(comma))
    for number, line in lines:
        fields = line.split(comma)
        wrong = next((field for field in fields if _number(field) is None), None)
        where = f"{path}, line {number}"
        if wrong is not None:
            fix = "leave out lines and columns of names and indices: every number of a line is a feature"
            return UserError(where, f"{wrong.strip()[:40]!r} is no number", expected=f"{width} numbers", fix=fix)
        if len(fields) != width:
            return UserError(where, f"{len(fields)} numbers", expected=f"{width}, as the first line has")
    return UserError(path, "cannot be read as rows of numbers", expected="one row a line")
