"""Feature files (.npy), read without trust: headers, rows, and errors in the user's terms.

Nothing is ever unpickled: a pickle from a stranger runs code.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mmvad.errors import UserError

FLOATS = ("float16", "float32", "float64")
_AGAIN = "fetch or extract the file again"


@dataclass(frozen=True)
class NpyHeader:
    """What a feature file says of itself: [rows, width] of dtype; size in bytes and time of change.

    Attributes:
        crop: which crop of a file that holds them all, [rows, crops, width]; the size is then the crop's share.
    """

    path: Path
    rows: int
    width: int
    dtype: str
    size: int
    modified_ns: int
    crop: int | None = None


def read_header(path: Path, width: int | None = None, crop: int | None = None) -> NpyHeader:
    """The file's header, checked against the file's size and `width` columns (any, if None). Reads no rows.

    Args:
        crop: one of the crops of a file of three dimensions; None for a file of two.

    Raises UserError, naming the file, for what is no .npy, a pickle, a truncated file, a wrong shape or dtype.
    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            shape, dtype = _shape_and_dtype(file, path)
            offset = file.tell()
    except OSError as error:
        raise UserError(path, f"cannot be read: {error.strerror}", expected="a readable .npy file") from error
    shape, crops = _without_crops(path, shape, crop)
    _check_shape(path, shape, width)
    if dtype.name not in FLOATS:
        raise UserError(path, f"dtype {dtype}", expected=f"one of {', '.join(FLOATS)}", fix=_AGAIN)
    _check_size(path, status.st_size, offset + crops * shape[0] * shape[1] * dtype.itemsize)
    return NpyHeader(path, shape[0], shape[1], dtype.name, status.st_size // crops, status.st_mtime_ns, crop)


def load_rows(header: NpyHeader) -> np.ndarray:
    """The file's rows [rows, width], every number finite.

    Raises UserError for NaN or infinity (naming the row), and where the file changed since its header was read.
    """
    try:
        if header.crop is None:
            rows = np.load(header.path, allow_pickle=False)
        else:
            rows = np.ascontiguousarray(np.load(header.path, mmap_mode="r", allow_pickle=False)[:, header.crop])
    except (OSError, ValueError, EOFError, IndexError) as error:
        raise UserError(header.path, f"cannot be read: {error}", expected="a readable .npy file", fix=_AGAIN) from error
    if rows.shape != (header.rows, header.width) or rows.dtype.name != header.dtype:
        raise UserError(header.path, "changed while it was read", expected="a release that nothing writes to")
    check_finite(rows, header.path)
    return rows


def check_finite(rows: np.ndarray, where: object) -> None:
    """Raises UserError, naming `where` and the first such row, if any number of [n, d] is NaN or infinite."""
    finite = np.isfinite(rows)
    if not finite.all():
        bad = np.flatnonzero(~finite.all(axis=1))
        value = rows[bad[0]][~finite[bad[0]]][0]
        raise UserError(
            where, f"{value} in row {bad[0]} ({len(bad)} of {len(rows)} rows)", expected="finite numbers", fix=_AGAIN
        )


def _shape_and_dtype(file: BinaryIO, path: Path) -> tuple[tuple[int, ...], np.dtype]:
    start = file.read(16)
    file.seek(0)
    if not start.startswith(b"\x93NUMPY"):
        raise UserError(path, _what_it_is(start), expected="a .npy file written by numpy.save", fix=_AGAIN)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except ValueError as error:
        raise UserError(path, "the .npy header is broken or cut off", expected="a whole file", fix=_AGAIN) from error
    if dtype.hasobject:
        raise UserError(path, "holds pickled objects, which are never loaded", expected="plain numbers", fix=_AGAIN)
    return shape, dtype


def _what_it_is(start: bytes) -> str:
    if not start:
        return "the file is empty"
    if start.startswith(b"PK"):
        return "no .npy file but a zip archive (.npz?)"
    if start.startswith(b"version https://"):
        return "no .npy file but a Git LFS pointer"
    if start[:1] == b"\x80":
        return "no .npy file but a pickle, which is never loaded"
    return f"no .npy file: it begins with {start[:8]!r}"


def _without_crops(path: Path, shape: tuple[int, ...], crop: int | None) -> tuple[tuple[int, ...], int]:
    """The shape of one crop, and how many crops the file holds."""
    if crop is None:
        return shape, 1
    if len(shape) != 3 or crop >= shape[1]:
        raise UserError(path, f"shape {list(shape)}", expected=f"[snippets, more than {crop} crops, d]", fix=_AGAIN)
    return (shape[0], shape[2]), shape[1]


def _check_shape(path: Path, shape: tuple[int, ...], width: int | None) -> None:
    columns = "d" if width is None else width
    if len(shape) != 2:
        raise UserError(path, f"shape {list(shape)}", expected=f"two dimensions, [snippets, {columns}]", fix=_AGAIN)
    if shape[0] == 0:
        raise UserError(path, "no rows", expected=f"at least one snippet, [snippets, {columns}]", fix=_AGAIN)
    if shape[1] == 0 or (width is not None and shape[1] != width):
        raise UserError(path, f"{shape[1]} columns", expected=f"{columns} columns, [snippets, {columns}]", fix=_AGAIN)


def _check_size(path: Path, size: int, expected: int) -> None:
    if size < expected:
        raise UserError(path, f"truncated: {size} bytes", expected=f"{expected} bytes, as its header says", fix=_AGAIN)
    if size > expected:
        problem = f"{size - expected} bytes after the last row"
        raise UserError(path, problem, expected=f"{expected} bytes, as its header says", fix=_AGAIN)
