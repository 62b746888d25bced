"""Random damage to a small release: what a download, an archive, a file system or a script of one's own does to it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

Damage = Callable[[Path, random.Random], None]


def _arrays(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.npy") if path.is_file())


def _texts(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.suffix in (".txt", ".csv"))


def _array(root: Path, chance: random.Random) -> Path:
    return chance.choice(_arrays(root) or [root / "none.npy"])


def delete(root: Path, chance: random.Random) -> None:
    _array(root, chance).unlink(missing_ok=True)


def delete_folder(root: Path, chance: random.Random) -> None:
    folders = sorted(path for path in root.rglob("*") if path.is_dir())
    shutil.rmtree(chance.choice(folders)) if folders else None


def move(root: Path, chance: random.Random) -> None:
    path = _array(root, chance)
    place = chance.choice([path.parent / "inner", root, root / "elsewhere", path.parent.parent])
    place.mkdir(exist_ok=True, parents=True)
    if path.is_file():
        path.rename(place / path.name)


def move_folder(root: Path, chance: random.Random) -> None:
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name != "outer")
    if folders:
        folder = chance.choice(folders)
        target = chance.choice([root / "outer" / folder.name, root / folder.name.lower(), root / f"{folder.name}_1"])
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            folder.rename(target)


def rename(root: Path, chance: random.Random) -> None:
    path = _array(root, chance)
    name = chance.choice([
        path.name.replace("#", "_"), path.name.upper(), f"{path.name}.npy", path.stem, path.name.replace("__", "_"),
        path.name.replace("__0", "__00"), path.name.replace("__0", "__3"), path.stem + ".npz", f" {path.name}",
    ])  # fmt: skip
    if path.is_file() and not path.with_name(name).exists():
        path.rename(path.with_name(name))


def copy(root: Path, chance: random.Random) -> None:
    path, other = _array(root, chance), _array(root, chance)
    if path.is_file() and path != other:
        target = other.with_name(chance.choice([other.name, path.name, "new__0.npy"]))
        if target != path and not target.is_dir():
            shutil.copy(path, target)


def truncate(root: Path, chance: random.Random) -> None:
    path = _array(root, chance)
    if path.is_file():
        content = path.read_bytes()
        path.write_bytes(content[: chance.randrange(len(content) + 1)])


def change_byte(root: Path, chance: random.Random) -> None:
    path = _array(root, chance)
    content = bytearray(path.read_bytes() if path.is_file() else b"")
    if content:
        content[chance.randrange(min(len(content), chance.choice([128, 10**9])))] = chance.randrange(256)
        path.write_bytes(content)


def reshape(root: Path, chance: random.Random) -> None:
    """Saves it with other columns, rows, axes or numbers."""
    path = _array(root, chance)
    try:
        array = np.load(path)
    except Exception:
        return
    if array.ndim != 2 or 0 in array.shape:
        return
    width = array.shape[1]
    made: list[np.ndarray] = [
        array.astype(chance.choice(["f2", "f8", ">f4", "i4", "c8", "O", "S4"])), array[:, : width // 2], array.T,
        np.stack([array] * 10, 1), array[None], array[:0], array[:-2], np.concatenate([array] * 3), array.ravel(),
        np.where(np.arange(width) == 1, np.nan, array), array * np.float64(1e300), np.asfortranarray(array),
    ]  # fmt: skip
    np.save(path, chance.choice(made), allow_pickle=True)


def another_kind(root: Path, chance: random.Random) -> None:
    path = _array(root, chance)
    if path.is_file():
        path.unlink()
        content = chance.choice(
            [b"", b"<html>404</html>", b"version https://git-lfs.github.com/spec/v1\n", b"\x80\x04N.", b"PK\x03\x04"]
        )
        path.mkdir() if chance.random() < 0.2 else path.write_bytes(content)


def edit_line(root: Path, chance: random.Random) -> None:
    """Drops, doubles, swaps or damages a line of a list or an annotation."""
    texts = _texts(root)
    if not texts:
        return
    path = chance.choice(texts)
    lines = path.read_text(errors="surrogateescape").split("\n")
    at = chance.randrange(len(lines))
    kind = chance.randrange(6)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[at])
    elif kind == 2:
        lines[at] = lines[at].upper()
    elif kind == 3:
        fields = lines[at].split(" ")
        chance.shuffle(fields)
        lines[at] = " ".join(fields)
    elif kind == 4 and lines[at]:
        place = chance.randrange(len(lines[at]))
        lines[at] = (
            lines[at][:place] + chance.choice(["\x00", "é", "-", "9", " ", ",", "\udcff", '"']) + lines[at][place + 1 :]
        )
    else:
        lines[at] = lines[at].replace("#", "_")
    path.write_text("\n".join(lines), errors="surrogateescape")


def remove_text(root: Path, chance: random.Random) -> None:
    texts = _texts(root)
    if texts:
        path = chance.choice(texts)
        path.unlink() if chance.random() < 0.5 else path.write_bytes(path.read_bytes()[: chance.randrange(40)])


DAMAGES: tuple[Damage, ...] = (
    delete, delete_folder, move, move_folder, rename, rename, copy, truncate, change_byte, change_byte, reshape,
    reshape, another_kind, edit_line, edit_line, remove_text,
)  # fmt: skip


def damage_texts(root: Path, seed: int) -> list[str]:
    """Damages lists and annotations alone, in one to four places; what was done."""
    chance = random.Random(seed)
    done = [chance.choice((edit_line, edit_line, edit_line, remove_text)) for _ in range(chance.choice([1, 1, 2, 4]))]
    for one in done:
        one(root, chance)
    return [one.__name__ for one in done]


def damage(root: Path, seed: int) -> list[str]:
    """Damages the release in one to three ways, the same for the same seed; what was done."""
    chance = random.Random(seed)
    done = [chance.choice(DAMAGES) for _ in range(chance.choice([1, 1, 1, 2, 3]))]
    for one in done:
        one(root, chance)
    return [one.__name__ for one in done]
