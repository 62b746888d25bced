"""NumPy's files: .npy, and .npz with several arrays in it. Headers are cheap, and nothing is ever unpickled."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from mmvad.errors import UserError
from mmvad.releases.arrays.stored import Stored

_WHOLE = "copy the file again: it was cut off or changed on its way"
_MAGIC = b"\x93NUMPY"
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError)
"""What a damaged archive raises; also one of an unknown compression, and an encrypted one."""


def npy_arrays(path: Path) -> dict[str, Stored]:
    """The one array of a .npy file, under the name ""; its header is held against the file's size.

    Raises UserError, saying what the file is, for what is no .npy, and for one that is cut off or too long.
    """
    with open(path, "rb") as file:
        return {"": _header(path, file, os.fstat(file.fileno()).st_size)}


def load_npy(path: Path, name: str, crop_axis: int | None = None, crop: int = 0) -> np.ndarray:
    """The array of a .npy file; with `crop_axis` only that crop's part is read from the disk."""
    del name
    array = np.load(path, mmap_mode=None if crop_axis is None else "r", allow_pickle=False)
    return array if crop_axis is None else np.array(array.take([crop], axis=crop_axis))


def npz_arrays(path: Path) -> dict[str, Stored]:
    """The arrays of a .npz archive, by name; their headers alone are read. Raises UserError as `npy_arrays` does."""
    with _archive(path) as archive:
        found = {}
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                with archive.open(member) as file:
                    where = Path(f"{path}[{member.filename.removesuffix('.npy')}]")
                    found[member.filename.removesuffix(".npy")] = _header(where, file, member.file_size)
    if not found:
        raise UserError(path, "a zip archive without NumPy arrays", expected="an archive written by numpy.savez")
    return found


def load_npz(path: Path, name: str) -> np.ndarray:
    """An array of a .npz archive, held against its checksum. Raises UserError for a damaged one."""
    with _archive(path) as archive, archive.open(f"{name}.npy") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        file.read()  # to the member's end, where its checksum is held against what was read
    return array


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    with open(path, "rb") as file:
        start = file.read(16)
    if not start.startswith(b"PK"):
        raise _no(path, ".npz", start)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except BROKEN as error:
        raise UserError(path, f"a damaged archive ({error})", expected="a whole .npz file", fix=_WHOLE) from error


def _header(path: Path, file: IO[bytes], size: int) -> Stored:
    start = file.read(16)
    if not start.startswith(_MAGIC):
        raise _no(path, ".npy", start)
    file.seek(0)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except Exception as error:  # a damaged header ends as ValueError, SyntaxError or tokenize's own error
        raise UserError(path, "the .npy header is broken or cut off", expected="a whole file", fix=_WHOLE) from error
    if dtype.hasobject:
        return Stored(shape, "object", "holds pickled objects, which are never loaded")
    _check_size(path, size, file.tell() + math.prod(shape) * dtype.itemsize)
    return Stored(shape, dtype.name)


def _check_size(path: Path, size: int, expected: int) -> None:
    said = f"{expected} bytes, as its header says"
    if size < expected:
        raise UserError(path, f"truncated: {size} bytes", expected=said, fix=_WHOLE)
    if size > expected:
        raise UserError(path, f"{size - expected} bytes after the last row", expected=said, fix=_WHOLE)


# the first 16 bytes are looked at
_KINDS = (
    (b"PK", "a zip archive: NumPy's .npz, or PyTorch's .pt", "give the file its own suffix, .npz or .pt"),
    (_MAGIC, "a single NumPy array", "give the file its own suffix, .npy"),
    (b"version https://", "a Git LFS pointer: the file itself is not here", "run `git lfs pull`"),
    (b"\x80", "a pickle, which is never loaded", "open it where you trust it and save the array with numpy.save"),
    (b"\x89HDF", "an HDF5 file", "save each video's array with numpy.save"),
    (b"MATLAB", "a MATLAB file", "read it with scipy.io.loadmat and save each video's array with numpy.save"),
    (b"<", "a web page, such as a download's error or log-in page", "download the file itself"),
    (b"\x1f\x8b", "gzip-compressed", "decompress the file"),
)


def _no(path: Path, kind: str, start: bytes) -> UserError:
    """The error of a file that is not what its suffix says: what it is, and what to do about that."""
    expected = f"a {kind} file"
    if not start:
        return UserError(path, "the file is empty", expected=expected, fix=_WHOLE)
    for magic, what, fix in _KINDS:
        if start.lstrip().startswith(magic):
            return UserError(path, f"no {kind} file but {what}", expected=expected, fix=fix)
    fix = "give the file the suffix of what it is: .npy, .npz, .pt, .safetensors, .csv or .txt"
    return UserError(path, f"no {kind} file: it begins with {start[:8]!r}", expected=expected, fix=fix)
