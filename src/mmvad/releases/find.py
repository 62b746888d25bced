"""What a feature release holds: which file has which crop of which video, and which the sound.

Names of videos may hold `#`, `=`, dots and `__`: the crop is what follows the last `__`. `layouts.py` has the layouts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mmvad.benchmarks.benchmark import Benchmark, Split
from mmvad.errors import UserError, nearest_name
from mmvad.releases.arrays.normalise import Normalise
from mmvad.releases.layouts import AUDIO, LAYOUTS, Layout, LayoutName
from mmvad.releases.near import feature_files

_AUDIO_SUFFIX = "__vggish.npy"

Crops = dict[int, Path]


@dataclass(frozen=True)
class Release:
    """The feature files of a release.

    Attributes:
        visual: by split and video, the file of each crop. UCF-Crime does not sort its files by split: both are equal.
        audio: by split and video, the file with the sound; empty where the release has no folder of sound.
        unnamed: .npy files whose names follow no pattern.
        duplicates: files of a crop that another file, named beside it, has already.
    """

    benchmark: Benchmark
    root: Path
    layout: Layout
    visual: dict[Split, dict[str, Crops]]
    audio: dict[Split, dict[str, Path]]
    unnamed: tuple[Path, ...]
    duplicates: tuple[tuple[Path, Path], ...] = ()

    @property
    def normalise(self) -> Normalise:
        """What is done to every row at import: nothing, but where a user's benchmark says otherwise."""
        definition = self.benchmark.definition
        return definition.features.normalise if definition and definition.features else "none"

    @property
    def has_audio(self) -> bool:
        return (self.root / AUDIO).is_dir()

    def visual_place(self, split: Split, video: str, crop: int) -> Path:
        """Where the file of that crop is expected."""
        folders, name = self.layout.folders, self.layout.file_name(video, crop)
        if folders is not None:
            return self.root / folders[split] / name
        return _inner_root(self.layout, self.root) / "<class folder>" / name

    def audio_place(self, split: Split, video: str) -> Path:
        """Where the file of the video's sound is expected."""
        return self.root / AUDIO / split / (video + _AUDIO_SUFFIX)


def find_release(benchmark: Benchmark, root: Path, layout: LayoutName | None = None) -> Release:
    """The release at `root`; only names are read.

    Args:
        layout: `clip` or `i3d`; the first that fits the folder if None.

    Raises UserError, drawing the expected tree, if the folders are not there.
    """
    layouts = [known for known in LAYOUTS.get(benchmark.name, ()) if layout in {None, known.name}]
    if not layouts:
        expected = f"one of {', '.join(LAYOUTS)}"
        raise UserError(benchmark.name, "this benchmark has no release: its features are made", expected=expected)
    _refuse_others(benchmark, root)
    chosen = next((known for known in layouts if _holds(known, root)), layouts[0])
    unnamed: list[Path] = []
    twice: list[tuple[Path, Path]] = []
    if chosen.folders is not None:
        _require(benchmark, chosen, root, [root / folder for folder in chosen.folders.values()])
        visual = {split: _visual(chosen, [root / folder], unnamed, twice) for split, folder in chosen.folders.items()}
    else:
        folders = _shared_folders(chosen, root)
        _require(benchmark, chosen, root, folders or [root / chosen.root])
        visual = dict.fromkeys(get_args(Split), _visual(chosen, folders, unnamed, twice))
    audio = {split: _audio(root / AUDIO / split, unnamed) for split in get_args(Split)}
    if not any(visual.values()):
        raise _absent(benchmark, chosen, root, f"the folders hold no file {chosen.file_name('<video>', 0)}")
    return Release(benchmark, root, chosen, visual, audio, tuple(unnamed), tuple(twice))


def require_audio(release: Release) -> None:
    """Raises UserError, drawing the expected tree, if the release has no folder of sound."""
    if not release.has_audio:
        fix = f"fetch {AUDIO}/, or say --audio optional (a video may be silent) or --audio none"
        problem = f"visual features found, {AUDIO}/ missing"
        raise _absent(release.benchmark, release.layout, release.root, problem, AUDIO, fix)


def expected_tree(layout: Layout) -> str:
    """The layout, drawn, and where such a release comes from."""
    return f"{layout.tree}\n  from: {layout.origin}"


def _refuse_others(benchmark: Benchmark, root: Path) -> None:
    """Raises UserError if the folders at `root` are by their names another benchmark's, and none is this one's."""
    named = [name for name, layouts in LAYOUTS.items() if any(_is_named(layout, root) for layout in layouts)]
    if named and benchmark.name not in named:
        fix = f"say {named[0]} in place of {benchmark.name}"
        raise UserError(root, f"looks like a release of {named[0]}, not of {benchmark.name}", fix=fix)


def _is_named(layout: Layout, root: Path) -> bool:
    """Whether all folders lie at `root` that only this layout has; False where it has none of its own."""
    own = [*(layout.folders or {}).values(), *([layout.root] if layout.root else [])]
    return bool(own) and all((root / folder).is_dir() for folder in own)


def _holds(layout: Layout, root: Path) -> bool:
    """Whether files of this layout seem to lie at `root`."""
    if not root.is_dir():
        return False
    if layout.folders is not None:
        return any((root / folder).is_dir() for folder in layout.folders.values())
    names = (path.name for folder in _shared_folders(layout, root) for path in _npy_files(folder))
    return any(layout.crops_of(name) for name in names)


def _visual(
    layout: Layout, folders: Sequence[Path], unnamed: list[Path], twice: list[tuple[Path, Path]]
) -> dict[str, Crops]:
    found: dict[str, Crops] = {}
    for folder in folders:
        for path in _npy_files(folder):
            known = layout.crops_of(path.name)
            if known is None:
                unnamed.append(path)
                continue
            crops = found.setdefault(known[0], {})
            other = next((crops[crop] for crop in known[1] if crop in crops), None)
            if other is not None:
                twice.append((path, other))
                continue
            crops.update(dict.fromkeys(known[1], path))
    return found


def _audio(folder: Path, unnamed: list[Path]) -> dict[str, Path]:
    paths = _npy_files(folder) if folder.is_dir() else []
    unnamed += [path for path in paths if not path.name.endswith(_AUDIO_SUFFIX)]
    return {p.name.removesuffix(_AUDIO_SUFFIX): p for p in paths if p.name.endswith(_AUDIO_SUFFIX)}


def _npy_files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.name.endswith(".npy"))
    except OSError as error:
        raise UserError(folder, f"cannot be read: {error.strerror}", expected="a readable folder") from error


def _inner_root(layout: Layout, root: Path) -> Path:
    return root / layout.root if (root / layout.root).is_dir() else root


def _shared_folders(layout: Layout, root: Path) -> list[Path]:
    """The folders that hold both splits' files: the classes' (CLIP), or any down to two below the root (I3D)."""
    if layout.name == "clip":
        return _class_folders(_inner_root(layout, root))
    if not root.is_dir():
        return []
    deep = [root, *sorted(root.glob("*/")), *sorted(root.glob("*/*/"))]
    return [folder for folder in deep if AUDIO not in folder.relative_to(root).parts and _npy_files(folder)]


def _class_folders(root: Path) -> list[Path]:
    from mmvad.benchmarks.ucf_crime import class_of_folder

    folders = []
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        try:
            class_of_folder(folder.name, folder)
        except UserError:
            continue
        if folder.is_dir():
            folders.append(folder)
    return folders


def _require(benchmark: Benchmark, layout: Layout, root: Path, folders: Sequence[Path]) -> None:
    missing = [folder for folder in folders if not folder.is_dir()]
    if not root.is_dir():
        raise _absent(benchmark, layout, root, "there is no such folder")
    if missing:
        found = [f"{folder.name}/ found" for folder in folders if folder not in missing]
        lost = [f"{folder.name}/ missing" for folder in missing]
        raise _absent(benchmark, layout, root, ", ".join(found + lost), missing[0].name)


def _absent(
    benchmark: Benchmark, layout: Layout, root: Path, problem: str, folder: str = "", fix: str | None = None
) -> UserError:
    there = [path.name for path in root.iterdir() if path.is_dir()] if folder and root.is_dir() else []
    # a folder that has its right name is no misspelling of another one
    known = {name for one in LAYOUTS[benchmark.name] for name in (*(one.folders or {}).values(), one.root)}
    alike = nearest_name(folder, set(there) - known - {AUDIO})
    nearest = f"the folder {alike}/, renamed to {folder}/" if alike else None
    if nearest is None and folder != AUDIO:
        nearest = _lies_elsewhere(layout, root)
    return UserError(
        root,
        f"no {layout.features} feature release of {benchmark.title}: {problem}",
        expected=expected_tree(layout).replace("\n", "\n    "),
        nearest=nearest,
        fix=fix or "name the folder that holds these as SOURCE, and --layout clip or i3d where both are meant",
    )


def _lies_elsewhere(layout: Layout, root: Path) -> str | None:
    """Where files of the layout lie below the root, if the folder that should hold them does not: one folder deeper,
    or in one of another name. None where there are none, or where they lie as they should."""
    files = (path.relative_to(root) for path in feature_files(root))
    file = next((path for path in files if layout.crops_of(path.name) and AUDIO not in path.parts), None)
    named = {*(layout.folders or {}).values(), layout.root} - {""}
    inside = [folder for folder in (file.parents if file else ()) if folder.name in named]
    if file is None or not inside:
        return None
    if inside[0].parent != Path():
        return f"{root / inside[0].parent} as SOURCE"
    return f"the files in {root / file.parent}, moved to {root / inside[0]}"
