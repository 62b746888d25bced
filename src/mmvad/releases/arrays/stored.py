"""What a file of arrays says of itself, and the choice of the array that is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmvad.bank.values import FLOATS
from mmvad.errors import UserError, nearest_name


@dataclass(frozen=True)
class Stored:
    """An array in a file: shape and dtype, as NumPy names it. bfloat16 is read, and named, as float32: that is exact.

    Attributes:
        problem: why it cannot be read, for an array that is no plain numbers; empty for one that is.
    """

    shape: tuple[int, ...]
    dtype: str
    problem: str = ""

    @property
    def could_be_features(self) -> bool:
        return len(self.shape) in (2, 3) and self.dtype in FLOATS and not self.problem


def chosen_array(path: Path, arrays: Mapping[str, Stored], name: str | None) -> str:
    """The name of the array that is meant: the one that is said, the only one, or the only one of floats and two or
    three axes.

    Raises UserError, listing what the file holds, where none or several are left.
    """
    if name is not None and name not in arrays:
        nearest = nearest_name(name, arrays)
        raise UserError(path, f"holds no array {name!r}", expected=f"one of: {listed(arrays)}", nearest=nearest)
    if name is not None:
        return name
    likely = list(arrays) if len(arrays) == 1 else [key for key, array in arrays.items() if array.could_be_features]
    if len(likely) == 1:
        return likely[0]
    fix = f"say which one, such as array: {likely[0]}" if likely else "save the features as floats, one array a file"
    raise UserError(path, f"holds {len(arrays)} arrays: {listed(arrays)}", expected="one array of features", fix=fix)


def check_numbers(path: Path, array: Stored) -> None:
    """Raises UserError, naming the file and what it is, for what is no floats."""
    if array.problem:
        raise UserError(path, array.problem, expected="plain numbers", fix="save them with numpy.save as float32")
    if array.dtype not in FLOATS:
        problem = f"an array {list(array.shape)} of {array.dtype}"
        fix = "if these are features and no labels or counts, save them as floats: array.astype('float32')"
        raise UserError(path, problem, expected=f"floats: {', '.join(FLOATS)}", fix=fix)


def listed(arrays: Mapping[str, Stored]) -> str:
    """The arrays of a file in words, the first few of many."""
    known = [f"{name} {list(array.shape)} {array.dtype}" for name, array in arrays.items()]
    return ", ".join(known[:5]) + (", ..." if len(known) > 5 else "") or "none"
