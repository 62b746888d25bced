"""Any file of features, read without trust: what it says of itself, its rows, and errors in the user's terms.

Read are .npy, .npz, .pt and .pth, .safetensors, and text (.txt, .csv, .tsv); arrays [rows, columns] or with crops, in
any order of the axes, of float16 to float64, of either byte order. Nothing is ever unpickled: a pickle from a stranger
runs code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmvad.bank.values import check_finite
from mmvad.errors import UserError, nearest_name
from mmvad.releases.arrays import npy, tensors, text
from mmvad.releases.arrays.axes import Axes, Shape, arranged, described, size_of, told_axes
from mmvad.releases.arrays.stored import Stored, check_numbers, chosen_array


@dataclass(frozen=True)
class Format:
    """How files of one kind are read: the arrays that they say they hold, and one of them."""

    arrays: Callable[[Path], dict[str, Stored]]
    load: Callable[[Path, str], np.ndarray]


_TENSORS = Format(tensors.pt_arrays, tensors.load_pt)
_TEXT = Format(text.text_arrays, text.load_text)
FORMATS = {
    ".npy": Format(npy.npy_arrays, npy.load_npy),
    ".npz": Format(npy.npz_arrays, npy.load_npz),
    ".pt": _TENSORS,
    ".pth": _TENSORS,
    ".safetensors": Format(tensors.safetensors_arrays, tensors.load_safetensors),
    ".txt": _TEXT,
    ".csv": _TEXT,
    ".tsv": _TEXT,
}
"""By suffix, in small letters."""


@dataclass(frozen=True)
class ArrayHeader:
    """What a feature file says of itself.

    Attributes:
        shape: of the array as it is stored; `axes` names its axes in that order.
        dtype: as it is stored, without its byte order; float32 for text.
        size: of the file, in bytes; `modified_ns` is the time of its last change.
        array: the array's name in a file of several; "" otherwise.
    """

    path: Path
    shape: Shape
    axes: Axes
    dtype: str
    size: int
    modified_ns: int
    array: str = ""

    @property
    def rows(self) -> int:
        return size_of("rows", self.axes, self.shape) or 0

    @property
    def width(self) -> int:
        return size_of("columns", self.axes, self.shape) or 0

    @property
    def crops(self) -> int | None:
        """How many crops the file holds; None for a file of one."""
        return size_of("crops", self.axes, self.shape)

    @property
    def share(self) -> int:
        """Bytes of the file for each of its crops."""
        return self.size // (self.crops or 1)

    def __str__(self) -> str:
        return described(self.shape, self.axes)


def read_header(
    path: Path,
    *,
    array: str | None = None,
    axes: Axes | None = None,
    crops: int | None = None,
    width: int | None = None,
    told: bool = True,
) -> ArrayHeader:
    """The file's header, held against its size. Rows are read only where a file has no header (.pt, text).

    Args:
        array: which array of a file of several; the only one that can be features if None.
        axes: what the axes are; told by the sizes if None, with the help of `crops` and `width` where they are known.
        told: False leaves axes that are not said unknown: they are told by many files together.

    Raises UserError, naming the file and saying what it is, for what cannot be features.
    """
    with _reading(path):
        status = path.stat()
        arrays = format_of(path).arrays(path)
    name = chosen_array(path, arrays, array)
    stored = arrays[name]
    check_numbers(path, stored)
    if axes is None and not told:
        return ArrayHeader(path, stored.shape, (), stored.dtype, status.st_size, status.st_mtime_ns, name)
    if axes is None:
        axes = told_axes([stored.shape], path, crops=crops, width=width)
    header = ArrayHeader(path, stored.shape, axes, stored.dtype, status.st_size, status.st_mtime_ns, name)
    _check_axes(header)
    return header


def load_rows(header: ArrayHeader, crop: int | None = None) -> np.ndarray:
    """The rows [rows, width] of one crop (of the only one if None): C order, native byte order, every number finite.

    Raises UserError for NaN or infinity, naming the row, and for a file that changed since its header was read.
    """
    if crop is None and (header.crops or 1) > 1:
        raise UserError(header.path, str(header), expected="one crop a file, or which one is meant")
    return load_crops(header, [crop or 0])[crop or 0]


def load_crops(header: ArrayHeader, crops: Sequence[int]) -> dict[int, np.ndarray]:
    """The rows of some crops, by number, the file being opened once. Raises UserError as `load_rows` does."""
    with _reading(header.path):
        format_ = format_of(header.path)
        if format_.load is npy.load_npy and header.crops and len(crops) == 1:
            array = npy.load_npy(header.path, "", header.axes.index("crops"), crops[0])
            shape = tuple(header.crops if axis == "crops" else n for axis, n in zip(header.axes, array.shape))
            places = {crops[0]: 0}
        else:
            array = format_.load(header.path, header.array)
            shape, places = array.shape, {crop: crop for crop in crops}
    if shape != header.shape or array.dtype.name != header.dtype:
        raise UserError(header.path, "changed while it was read", expected="a release that nothing writes to")
    blocks = arranged(array, header.axes)
    return {crop: _plain(blocks[place], header.path) for crop, place in places.items()}


def _plain(rows: np.ndarray, path: Path) -> np.ndarray:
    check_finite(rows, path)
    return np.ascontiguousarray(rows, rows.dtype.newbyteorder("="))


def format_of(path: Path) -> Format:
    """How a file of this suffix is read. Raises UserError for an unknown suffix."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        expected, nearest = f"one of {', '.join(FORMATS)}", nearest_name(suffix, FORMATS)
        fix = "save each video's array with numpy.save"
        raise UserError(path, f"features in {suffix or 'a file without suffix'} are not read", expected=expected,
                        nearest=nearest, fix=fix)  # fmt: skip
    return FORMATS[suffix]


def _check_axes(header: ArrayHeader) -> None:
    """Raises UserError for as many axes as were not said, and for an axis without entries."""
    if len(header.axes) != len(header.shape):
        said = ", ".join(header.axes)
        problem = f"an array {list(header.shape)} of {len(header.shape)} axes"
        fix = f"save it as {said}; or describe it in a benchmark file, which says axes: rows,crops,columns"
        raise UserError(header.path, problem, expected=f"{len(header.axes)} axes: {said}", fix=fix)
    if 0 in header.shape:
        empty = header.axes[header.shape.index(0)]
        fix = f"leave the video out of the lists, or compute its features again: they have no {empty}"
        raise UserError(header.path, f"{header}; no {empty}", expected=f"at least one of {empty}", fix=fix)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what reading a file may raise into UserErrors."""
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        raise UserError(path, f"cannot be read: {error.strerror or error}", expected="a readable file") from error
    except (ValueError, EOFError, IndexError, KeyError, MemoryError) as error:
        raise UserError(path, f"cannot be read: {error}", expected="a file that nothing writes to") from error
