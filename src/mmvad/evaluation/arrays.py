"""Arrays that another program wrote, read without trust: one `.npy`, an `.npz`, or a folder of `.npy` files.

Nothing is ever unpickled. An array's key is its name in the `.npz`, or its file's path in the folder without `.npy`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from mmvad.benchmarks.lines import video_name
from mmvad.errors import UserError, nearest_name

FORMS = "a folder of .npy files (one a video), an .npz, or a .npy of all videos end to end"
LENGTHS = ("snippets", "rows", "frames", "lengths")
"""Names of the array that says how long each video is, where an `.npz` has all of them end to end."""
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class EndToEnd:
    """Arrays of all videos end to end: names, and how many entries each has; None where the file does not say."""

    names: tuple[str, ...] | None
    lengths: tuple[int, ...] | None
    arrays: Arrays


def read_arrays(path: Path) -> Arrays:
    """The arrays by key; that of a lone `.npy` has an empty key.

    Raises UserError, naming the file, for what is missing, of another kind, broken, pickled, or no numbers.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.npy"))
        if not files:
            raise UserError(path, "has no .npy file in it", expected=FORMS)
        found = {file.relative_to(path).with_suffix("").as_posix(): load_npy(file) for file in files}
    elif not path.is_file():
        raise _missing(path)
    elif path.suffix.lower() == ".npz":
        found = _load_npz(path)
    elif path.suffix.lower() == ".npy":
        found = {"": load_npy(path)}
    else:
        pickled = ": a pickle from a stranger runs code, so none is loaded" * (path.suffix in {".pkl", ".pickle"})
        raise UserError(path, f"is a {path.suffix or 'file without an ending'}{pickled}", expected=FORMS)
    return found


def end_to_end(arrays: Arrays, path: Path) -> EndToEnd | None:
    """The arrays of all videos end to end, where the file has them so: a lone array, or `names` and a length of each.

    None for arrays by video. Raises UserError for names and lengths that do not fit.
    """
    if "" in arrays:
        return EndToEnd(None, None, arrays)
    if "names" not in arrays:
        return None
    names, lengths = arrays["names"], next((arrays[key] for key in LENGTHS if key in arrays), None)
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise UserError(path, f"names: {_form(names)}", expected="the videos' names, an array of text [videos]")
    if lengths is None:
        raise UserError(path, "has names but no length of each", expected=f"one of the arrays {', '.join(LENGTHS)}")
    if lengths.shape != names.shape or lengths.dtype.kind not in "iu" or (lengths < 0).any():
        raise UserError(path, f"lengths: {_form(lengths)}", expected=f"whole numbers, [{len(names)}] as the names")
    text = [name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in names]
    rest = {key: array for key, array in arrays.items() if key not in {"names", *LENGTHS}}
    return EndToEnd(tuple(text), tuple(int(n) for n in lengths), rest)


def cut(array: np.ndarray, lengths: Sequence[int], where: object) -> list[np.ndarray]:
    """An array [sum of lengths, ...] cut into those of the videos. Raises UserError where the sum is another."""
    if len(array) != sum(lengths):
        problem = f"{len(array)} entries for videos of {sum(lengths)} in all"
        raise UserError(where, problem, expected="as many as the videos' lengths sum to")
    return np.split(array, np.cumsum(lengths)[:-1])


def load_npy(path: Path) -> np.ndarray:
    """The numbers of one file. Raises UserError as `read_arrays` does."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(path, f"cannot be read: {_reason(error)}", expected="a .npy file of plain numbers") from None
    if not isinstance(array, np.ndarray):
        raise UserError(path, "is no .npy but an .npz archive", fix=f"call it {path.with_suffix('.npz').name}")
    return _numbers(array, path)


def known_name(key: str, known: Mapping[str, object]) -> str:
    """The video that a key or a name means: without folders, `.mp4`, and the crop that released lists end with."""
    name = video_name(key).removesuffix(".npy")
    bare = re.sub(r"__\d+$", "", name)
    return bare if name not in known and bare in known else name


def names_in_words(names: Sequence[str], most: int = 3) -> str:
    """The first of the names and how many more: `a, b, c and 7 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _load_npz(path: Path) -> Arrays:
    found = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                found[key] = archive[key]
    except (OSError, ValueError, EOFError, BadZipFile, AttributeError) as error:
        raise UserError(path, f"cannot be read: {_reason(error)}", expected="an .npz of plain arrays") from None
    if not found:
        raise UserError(path, "has no array in it", expected=FORMS)
    return {key: array if key == "names" else _numbers(array, f"{path}, {key}") for key, array in found.items()}


def _numbers(array: np.ndarray, where: object) -> np.ndarray:
    """The array; a last axis of one number is taken away."""
    if array.dtype.kind not in "biuf" or array.ndim not in {1, 2}:
        raise UserError(where, _form(array), expected="numbers, [n] or [n, C]")
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _form(array: np.ndarray) -> str:
    return f"shape {list(array.shape)}, dtype {array.dtype}"


def _reason(error: Exception) -> str:
    """numpy's words for a pickle ask the reader to load it, which is what must not be done."""
    pickled = "allow_pickle" in str(error) or "Object arrays" in str(error)
    return "it holds pickled objects, which are never loaded" if pickled else str(error)


def _missing(path: Path) -> UserError:
    around = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    nearest = nearest_name(path.name, around)
    return UserError(
        path, "no such file or folder", expected=FORMS, nearest=str(path.parent / nearest) if nearest else None
    )
