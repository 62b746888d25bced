"""Experiments and sweeps by path or by name: those of the current folder, and those that come with mmvad."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from mmvad.errors import UserError, nearest_name

Kind = Literal["experiments", "sweeps"]
_CALLED = {"experiments": "configuration file", "sweeps": "sweep file"}
_EXAMPLES = {"experiments": "planted or peers/rtfm_xd", "sweeps": "modalities or compare"}


def shipped_folder() -> Path:
    """What holds `experiments` and `sweeps`: the top of a checkout, `mmvad/shipped` of an installed package."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "shipped"
    return installed if installed.is_dir() else package.parents[1]


def shipped_names(kind: Kind) -> list[str]:
    """The names of all files of a kind that come with mmvad, such as `peers/rtfm_xd`."""
    folder = shipped_folder() / kind
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))


def find_file(written: str | Path, kind: Kind, seen_from: Sequence[Path] = (Path(),)) -> Path | None:
    """The file that a path or a name means, with `.yaml` or without; None where there is none.

    A path as seen from the given folders comes first, then a name among the current folder's experiments or sweeps,
    then one among the shipped: `planted`, `planted.yaml` and `experiments/planted.yaml` are all found.
    """
    path, shipped = Path(written), shipped_folder()
    folders = [*seen_from] if ".." in path.parts else [*seen_from, Path(kind), shipped, shipped / kind]
    files = [folder / f"{path}{end}" for folder in folders for end in ("", ".yaml")]
    return next((file for file in files if os.path.isfile(file)), None)


def shown_path(file: Path) -> Path:
    """A shipped file as it is called from a checkout's top, `sweeps/modalities.yaml`; any other as it is."""
    shipped = shipped_folder()
    return file.relative_to(shipped) if file.is_relative_to(shipped) else file


def no_such_file(written: Path, kind: Kind) -> UserError:
    """The error for a path or name that means no file, with the nearest ones of its folder and of the shipped."""
    bare = written.with_suffix("") if written.suffix in {".yaml", ".yml"} else written
    folder, names = written.parent, shipped_names(kind)
    beside = {path.stem: path.name for path in folder.glob("*.yaml")} if folder.is_dir() else {}
    here = nearest_name(bare.name, beside)
    deeper = [name for name in names if bare.name and Path(name).name.startswith(bare.name)]  # rtfm: peers/rtfm_planted
    deeper.sort(key=lambda name: name.endswith("_as_published"))  # which lie over others
    shipped = nearest_name(bare.as_posix().removeprefix(f"{kind}/"), names)
    shipped = shipped or next(iter(deeper), None) or nearest_name(bare.name, names)
    found = [str(folder / beside[here])] if here else []
    found += [shipped] if shipped and Path(shipped).name != here else []
    return UserError(
        written,
        f"no such {_CALLED[kind]}",
        expected=f"the path of a file, or the name of one that comes with mmvad, such as {_EXAMPLES[kind]}",
        nearest=" or ".join(found) or None,
    )
