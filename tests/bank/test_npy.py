from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.npy import load_rows, read_header
from mmvad.errors import UserError


class Bomb:
    """Unpickling it would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.mark), "w")


def stored(tmp_path: Path, array: np.ndarray) -> Path:
    path = tmp_path / "video__0.npy"
    np.save(path, array, allow_pickle=True)
    return path


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_come_back_as_they_were_saved(tmp_path: Path, dtype: str, order: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype, order=order)
    header = read_header(stored(tmp_path, array), 4)
    assert (header.rows, header.width, header.dtype) == (3, 4, np.dtype(dtype).name)
    np.testing.assert_array_equal(load_rows(header), array)


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((7, 511), np.float32), "511 columns"),
        (np.zeros((0, 512), np.float32), "no rows"),
        (np.zeros((7, 0), np.float32), "0 columns"),
        (np.zeros((512,), np.float32), r"shape \[512\]"),
        (np.zeros((1, 7, 512), np.float32), r"shape \[1, 7, 512\]"),
        (np.zeros((7, 512), np.int64), "dtype int64"),
        (np.zeros((7, 512), np.complex64), "dtype complex64"),
        (np.zeros((7, 512), bool), "dtype bool"),
    ],
)
def test_a_wrong_array_is_named_with_what_was_expected(tmp_path: Path, array: np.ndarray, problem: str) -> None:
    path = stored(tmp_path, array)
    with pytest.raises(UserError, match=rf"(?s)video__0.npy: {problem}.*expected: .*fix: "):
        read_header(path, 512)


@pytest.mark.parametrize("keep", [0, 5, 9, 60, 128, 129, -1])
def test_a_file_cut_anywhere_is_an_error(tmp_path: Path, keep: int) -> None:
    path = stored(tmp_path, np.zeros((7, 512), np.float32))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"empty|no \.npy|broken or cut off|truncated"):
        read_header(path, 512)


def test_bytes_behind_the_rows_are_an_error(tmp_path: Path) -> None:
    path = stored(tmp_path, np.zeros((7, 512), np.float32))
    path.write_bytes(path.read_bytes() + b"1234")
    with pytest.raises(UserError, match="4 bytes after the last row"):
        read_header(path, 512)


def test_a_pickle_is_never_unpickled(tmp_path: Path) -> None:
    mark, path = tmp_path / "boom", tmp_path / "video__0.npy"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(UserError, match="a pickle, which is never loaded"):
        read_header(path, 512)
    inside = stored(tmp_path, np.array([[Bomb(mark)]], dtype=object))
    with pytest.raises(UserError, match="pickled objects, which are never loaded"):
        read_header(inside)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04zip", "zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<html>404</html>", "begins with b'<html>"),
        (b"\x93NUMPY\x09\x00rubbish of another version", "broken"),
    ],
)
def test_what_is_no_npy_is_said(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "video__0.npy"
    path.write_bytes(content)
    with pytest.raises(UserError, match=what):
        read_header(path, 512)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_names_its_row(tmp_path: Path, value: float) -> None:
    array = np.zeros((7, 512), np.float32)
    array[3, 500] = array[5, 1] = value
    header = read_header(stored(tmp_path, array), 512)
    with pytest.raises(UserError, match=rf"{value} in row 3 \(2 of 7 rows\)"):
        load_rows(header)


def test_a_file_that_changes_after_its_header_was_read(tmp_path: Path) -> None:
    header = read_header(stored(tmp_path, np.zeros((7, 4), np.float32)))
    stored(tmp_path, np.zeros((6, 4), np.float32))
    with pytest.raises(UserError, match="changed while it was read"):
        load_rows(header)
    header.path.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        load_rows(header)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_header(header.path)
