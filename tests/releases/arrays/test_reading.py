from __future__ import annotations

import contextlib
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from mmvad.errors import UserError
from mmvad.releases.arrays.axes import CROPS_ROWS, ROWS, ROWS_CROPS, Axes
from mmvad.releases.arrays.reading import load_crops, load_rows, read_header


class Bomb:
    """Unpickling it would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.mark), "w")


def stored(tmp_path: Path, array: np.ndarray, name: str = "video__0.npy") -> Path:
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    elif path.suffix == ".npz":
        np.savez_compressed(path, features=array, label=np.array(3), fps=np.array([25.0]))
    elif path.suffix == ".pt":
        torch.save({"features": torch.from_numpy(array.astype(array.dtype.newbyteorder("="))), "label": 3}, path)
    elif path.suffix == ".pth":
        torch.save(torch.from_numpy(array.astype(array.dtype.newbyteorder("="))), path)
    elif path.suffix == ".safetensors":
        save_file({"features": np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))}, path)
    else:
        np.savetxt(path, array, fmt="%.9g", delimiter={".csv": ",", ".tsv": "\t"}.get(path.suffix, " "))
    return path


BINARY = (".npy", ".npz", ".pt", ".pth", ".safetensors")
AXES: tuple[Axes, ...] = (ROWS, ROWS_CROPS, CROPS_ROWS, ("columns", "rows"), ("crops", "columns", "rows"))


@settings(max_examples=60, deadline=None)
@given(
    suffix=st.sampled_from(BINARY),
    axes=st.sampled_from(AXES),
    dtype=st.sampled_from(["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"]),
    order=st.sampled_from("CF"),
    sizes=st.fixed_dictionaries({"rows": st.integers(1, 9), "crops": st.integers(1, 4), "columns": st.integers(1, 7)}),
)
def test_every_form_of_an_array_reads_equal(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, axes: Axes, dtype: str, order: str, sizes: dict[str, int]
) -> None:
    rows = np.random.default_rng(0).normal(size=(sizes["crops"], sizes["rows"], sizes["columns"])).astype(dtype)
    array = rows.transpose([CROPS_ROWS.index(axis) for axis in axes]) if "crops" in axes else rows[0]
    array = array.T if axes == ("columns", "rows") else array
    array = np.asarray(array, order=order)  # type: ignore[call-overload]
    header = read_header(stored(tmp_path_factory.mktemp("a"), array, f"v{suffix}"), axes=axes)
    assert (header.rows, header.width, header.dtype) == (sizes["rows"], sizes["columns"], np.dtype(dtype).name)
    wanted = range(sizes["crops"]) if "crops" in axes else [0]
    assert header.crops == (sizes["crops"] if "crops" in axes else None)
    for found in (load_crops(header, list(wanted)), {c: load_rows(header, c) for c in wanted}):
        for crop in wanted:
            assert found[crop].dtype == np.dtype(dtype).newbyteorder("=")
            assert found[crop].flags.c_contiguous
            np.testing.assert_array_equal(found[crop], rows[crop])


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".tsv"])
def test_text_reads_as_float32(tmp_path: Path, suffix: str) -> None:
    array = np.random.default_rng(0).normal(size=(32, 9)).astype(np.float32)
    header = read_header(stored(tmp_path, array, f"v{suffix}"))
    assert (header.shape, header.dtype) == ((32, 9), "float32")
    np.testing.assert_array_equal(load_rows(header), array)


@pytest.mark.parametrize(
    "text",
    [
        "1 2\n3 4",
        "1,2,\r\n\r\n3,4,\r\n",
        "\ufeff1\t2\n 3\t\t4 \n",
        "a,b\n1.0,2e0\n3,4\n",
        "1; 2\n3;4\n",
    ],
)
def test_text_as_people_write_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(text.encode())
    np.testing.assert_array_equal(load_rows(read_header(path)), [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"1 2\n3 4 5\n", "line 2: 3 numbers"),
        (b"1,2\n\n3,x\n", "line 3: 'x' is no number"),
        (b"1,2\n3,\n4,,5\n", "line 2: 1 numbers"),
        (b",0,1\n0,1,2\n", "line 1: '' is no number"),
        (b"", "holds no rows"),
        (b"a,b\n", "holds no rows"),
        (b"\xff\xfe1", "is no text"),
        (b"0,5 1,5", "is no number"),
    ],
)
def test_text_that_is_no_table_names_its_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=problem):
        read_header(path)


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    tensor = torch.arange(6).reshape(2, 3).to(torch.bfloat16)
    torch.save(tensor, tmp_path / "v.pt")
    save_tensors({"x": tensor}, tmp_path / "v.safetensors")
    for name in ("v.pt", "v.safetensors"):
        header = read_header(tmp_path / name)
        assert header.dtype == "float32"
        np.testing.assert_array_equal(load_rows(header), np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".safetensors"])
def test_one_of_several_arrays_is_said(tmp_path: Path, suffix: str) -> None:
    path, arrays = tmp_path / f"v{suffix}", {"flow": np.zeros((2, 3), np.float32), "rgb": np.ones((2, 3), np.float32)}
    if suffix == ".npz":
        np.savez(path, **arrays)  # type: ignore[arg-type]
    elif suffix == ".pt":
        torch.save({"f": {name: torch.from_numpy(array) for name, array in arrays.items()}}, path)
        arrays = {f"f.{name}": array for name, array in arrays.items()}
    else:
        save_file(arrays, path)
    for name, array in arrays.items():
        np.testing.assert_array_equal(load_rows(read_header(path, array=name)), array)
    with pytest.raises(UserError, match=r"(?s)holds 2 arrays: .*rgb \[2, 3\] float32.*fix: say which one, such as arr"):
        read_header(path)
    with pytest.raises(UserError, match=r"(?s)holds no array 'rgg'.*did you mean: .*rgb"):
        read_header(path, array="rgg")


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((0, 512), np.float32), r"an array \[0, 512\]: rows, columns; no rows"),
        (np.zeros((7, 0), np.float32), r"an array \[7, 0\]: rows, columns; no columns"),
        (np.zeros((512,), np.float32), r"an array \[512\] of 1 axis"),
        (np.zeros((1, 7, 1, 512), np.float32), r"an array \[1, 7, 1, 512\] of 4 axes"),
        (np.zeros((7, 5, 512), np.float32), r"an array \[7, 5, 512\]: its sizes do not tell rows from crops"),
        (np.zeros((7, 512), np.int64), r"an array \[7, 512\] of int64"),
        (np.zeros((7, 512), np.complex64), r"an array \[7, 512\] of complex64"),
        (np.zeros((7, 512), bool), r"an array \[7, 512\] of bool"),
    ],
)
def test_a_wrong_array_is_named_with_what_was_expected(tmp_path: Path, array: np.ndarray, problem: str) -> None:
    path = stored(tmp_path, array)
    with pytest.raises(UserError, match=rf"(?s)video__0.npy: {problem}.*expected: .*fix: ") as caught:
        read_header(path)
    assert "again" not in str(caught.value) or 0 in array.shape


def test_three_axes_where_two_are_wanted_say_what_they_are(tmp_path: Path) -> None:
    path = stored(tmp_path, np.zeros((7, 10, 512), np.float32))
    with pytest.raises(UserError, match=r"(?s)an array \[7, 10, 512\] of 3 axes.*axes: rows,crops,columns"):
        read_header(path, axes=ROWS)
    with pytest.raises(UserError, match="one crop a file, or which one is meant"):
        load_rows(read_header(path, crops=10))


@pytest.mark.parametrize("suffix", BINARY)
@pytest.mark.parametrize("keep", [0, 1, 9, 60, 200, 0.5, -1])
def test_a_file_cut_anywhere_is_an_error(tmp_path: Path, suffix: str, keep: float) -> None:
    path = stored(tmp_path, np.random.default_rng(0).normal(size=(7, 512)).astype(np.float32), f"v{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(UserError, match=r"v\.\w+"):
        load_rows(read_header(path))


@settings(max_examples=150, deadline=None)
@given(suffix=st.sampled_from(BINARY), place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_changed_byte_is_rows_or_a_user_error(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, place: float, byte: int
) -> None:
    path = stored(tmp_path_factory.mktemp("a"), np.ones((3, 4), np.float32), f"v{suffix}")
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] = byte
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        assert np.isfinite(load_rows(read_header(path))).all()


def test_bytes_behind_the_rows_are_an_error(tmp_path: Path) -> None:
    path = stored(tmp_path, np.zeros((7, 512), np.float32))
    path.write_bytes(path.read_bytes() + b"1234")
    with pytest.raises(UserError, match="4 bytes after the last row"):
        read_header(path)


def test_a_damaged_archive_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    np.savez(path, x=np.ones((50, 40), np.float32))
    content = bytearray(path.read_bytes())
    content[4000] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="a damaged archive"):
        load_rows(read_header(path))


def test_a_pickle_is_never_unpickled(tmp_path: Path) -> None:
    mark, path = tmp_path / "boom", tmp_path / "video__0.npy"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(UserError, match="a pickle, which is never loaded"):
        read_header(path)
    inside = np.array([[Bomb(mark)]], dtype=object)
    with pytest.raises(UserError, match="pickled objects, which are never loaded"):
        read_header(stored(tmp_path, inside))
    np.savez(tmp_path / "v.npz", x=inside)
    with pytest.raises(UserError, match="pickled objects, which are never loaded"):
        read_header(tmp_path / "v.npz")
    for content in ([Bomb(mark)], {"x": torch.ones(2, 2), "more": Bomb(mark)}, np.ones((2, 2))):
        torch.save(content, tmp_path / "v.pt")
        with pytest.raises(UserError, match=r"(?s)holds more than tensors \(.*\), and pickled.*torch.as_tensor"):
            read_header(tmp_path / "v.pt")
    (tmp_path / "v.pt").write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(UserError, match=r"v\.pt"):
        read_header(tmp_path / "v.pt")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("v.npy", b"PK\x03\x04zip", r"(?s)zip archive.*fix: give the file its own suffix"),
        ("v.npy", b"version https://git-lfs.github.com/spec/v1\n", r"(?s)Git LFS pointer.*git lfs pull"),
        ("v.npy", b"<html>404</html>", "a web page"),
        ("v.npy", b"1.0 2.0", "begins with b'1.0 2.0'"),
        ("v.npy", b"\x93NUMPY\x09\x00rubbish of another version", "broken"),
        ("v.npz", b"\x93NUMPY", r"(?s)a single NumPy array.*\.npy"),
        ("v.mat", b"MATLAB 5.0", r"(?s)features in \.mat are not read.*numpy.save"),
        ("video", b"", "a file without suffix"),
        ("v.safetensors", b"\xff" * 99, "no .safetensors file, or a damaged one"),
    ],
)
def test_what_a_file_is_is_said(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=what):
        read_header(tmp_path / name)


def test_archives_under_a_wrong_suffix_are_told_apart(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", x=np.ones((2, 2), np.float32))
    (tmp_path / "v.npz").rename(tmp_path / "v.pt")
    with pytest.raises(UserError, match=r"(?s)NumPy's \.npz.*give it the suffix \.npz"):
        read_header(tmp_path / "v.pt")
    with zipfile.ZipFile(tmp_path / "v.npz", "w") as archive:
        archive.writestr("readme.txt", "no arrays")
    with pytest.raises(UserError, match="a zip archive without NumPy arrays"):
        read_header(tmp_path / "v.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_names_its_row(tmp_path: Path, value: float) -> None:
    array = np.zeros((7, 512), np.float32)
    array[3, 500] = array[5, 1] = value
    header = read_header(stored(tmp_path, array))
    with pytest.raises(UserError, match=rf"{value} in row 3 \(2 of 7 rows\)"):
        load_rows(header)


@pytest.mark.parametrize("suffix", BINARY)
def test_a_file_that_changes_after_its_header_was_read(tmp_path: Path, suffix: str) -> None:
    header = read_header(stored(tmp_path, np.zeros((7, 4), np.float32), f"v{suffix}"))
    stored(tmp_path, np.zeros((6, 4), np.float32), f"v{suffix}")
    with pytest.raises(UserError, match="changed while it was read"):
        load_rows(header)
    header.path.unlink()
    with pytest.raises(UserError, match="cannot be read: No such file"):
        load_rows(header)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_header(header.path)
