"""Which axis of an array is rows, which crops, which columns: said by the user, or told by the sizes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from mmvad.errors import UserError, nearest_name

Axis = Literal["rows", "crops", "columns"]
Axes = tuple[Axis, ...]
Shape = tuple[int, ...]

ROWS: Axes = ("rows", "columns")
ROWS_CROPS: Axes = ("rows", "crops", "columns")
CROPS_ROWS: Axes = ("crops", "rows", "columns")
ALIKE = 0.9
USUAL = (ROWS, ROWS_CROPS, CROPS_ROWS)
"""What is tried where nothing is said; every other order must be said."""


def axes_named(text: str, where: object) -> Axes:
    """The axes of a text such as "rows,crops,columns", in any order. Raises UserError, naming `where`, for others."""
    known = {spelled(order): order for names in (ROWS, ROWS_CROPS) for order in itertools.permutations(names)}
    axes = known.get(text.replace(" ", ""))
    if axes is None:
        expected = "rows, columns and perhaps crops in the arrays' order, such as rows,crops,columns"
        raise UserError(where, f"{text!r} names no axes", expected=expected, nearest=nearest_name(text, known))
    return axes


def spelled(axes: Sequence[str]) -> str:
    return ",".join(axes)


def told_axes(shapes: Sequence[Shape], where: object, *, crops: int | None = None, width: int | None = None) -> Axes:
    """The axes that arrays of these shapes have, all of them the same: one of `USUAL`.

    Two axes are rows and columns. Of three, the last is columns, and crops is the one of the others that has `crops`
    entries; where their number is not known, the one that is equally long in nine of ten arrays. Give the shapes of
    many files together: one array alone seldom says it.

    Raises UserError, naming `where` and what the array is, where the sizes fit none of these or several.
    """
    odd = next((shape for shape in shapes if len(shape) not in (2, 3) or len(shape) != len(shapes[0])), None)
    if odd is not None:
        _refuse_dimensions(odd, shapes[0], where)
    fitting = [axes for axes in USUAL if _fits(axes, shapes, crops, width)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise _unfit(shapes, where, crops, width)
    raise UserError(
        where,
        f"an array {list(shapes[0])}: its sizes do not tell rows from crops",
        expected=" or ".join(spelled(axes) for axes in fitting),
        fix="say the order of the axes, such as axes: rows,crops,columns",
    )


def size_of(axis: Axis, axes: Axes, shape: Shape) -> int | None:
    """How long that axis is; None for an axis that the array does not have."""
    return shape[axes.index(axis)] if axis in axes else None


def described(shape: Shape, axes: Axes) -> str:
    """The array in words: "an array [32, 10, 512]: rows, crops, columns"."""
    return f"an array {list(shape)}: {', '.join(axes)}"


def arranged(array: np.ndarray, axes: Axes) -> np.ndarray:
    """The array as [crops, rows, columns], a view; crops is 1 where it has no such axis."""
    if "crops" not in axes:
        array, axes = array[np.newaxis], ("crops", *axes)
    return array.transpose([axes.index(axis) for axis in CROPS_ROWS])


def _fits(axes: Axes, shapes: Sequence[Shape], crops: int | None, width: int | None) -> bool:
    if len(axes) != len(shapes[0]):
        return False
    columns = {size_of("columns", axes, shape) for shape in shapes}
    found = Counter(size_of("crops", axes, shape) for shape in shapes)
    alike = max(found.values()) >= ALIKE * len(shapes) if crops is None else set(found) == {crops}
    return (width is None or columns == {width}) and ("crops" not in axes or alike)


def _refuse_dimensions(odd: Shape, first: Shape, where: object) -> None:
    problem = f"an array {list(odd)} of {len(odd)} {'axis' if len(odd) == 1 else 'axes'}"
    if len(odd) in (2, 3):
        raise UserError(where, f"{problem}, others have {len(first)}", expected="the same axes in all files")
    fix = "one video a file: rows and columns, and perhaps crops"
    if 1 in odd and len(odd) > 3:
        fix = "take the axis of length 1 away before saving: array.squeeze()"
    raise UserError(where, problem, expected="two axes (rows, columns) or three (with crops)", fix=fix)


def _unfit(shapes: Sequence[Shape], where: object, crops: int | None, width: int | None) -> UserError:
    """The error of sizes that are in none of the usual orders: it names an unusual one that they would be in."""
    names = ROWS if len(shapes[0]) == 2 else ROWS_CROPS
    orders: list[Axes] = list(itertools.permutations(names))
    other = next((axes for axes in orders if _fits(axes, shapes, crops, width)), None)
    known = [f"{width} columns"] * (width is not None) + [f"{crops} crops"] * (crops is not None and len(names) == 3)
    fix = f"if these are {', '.join(other)}, say axes: {spelled(other)}" if other else "say the order of the axes"
    problem = f"an array {list(shapes[0])} is not rows, columns"
    if len(names) == 3:
        problem = f"an array {list(shapes[0])} is neither rows, crops, columns nor crops, rows, columns"
    return UserError(where, problem, expected=" and ".join(known) or "as many crops in every file", fix=fix)
