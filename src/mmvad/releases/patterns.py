"""The feature files of a user's benchmark, found by the patterns of its file: `visual/{video}__{crop}.npy`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mmvad.benchmarks.benchmark import Benchmark, Split, Video
from mmvad.benchmarks.own_fields import in_fold, own_name
from mmvad.errors import UserError
from mmvad.releases.arrays.axes import Axes, axes_named, told_axes
from mmvad.releases.arrays.reading import read_header
from mmvad.releases.consensus import prevailing
from mmvad.releases.find import Crops, Release
from mmvad.releases.layouts import Layout

_PARTS = {"video": r"(?P<video>.+)", "crop": r"(?P<crop>\d+)", "class": r"[^/]+", "split": r"(?P<split>[^/]+)"}
_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_SAMPLE = 50
"""Files whose headers say together what the axes of all are."""

_FORM = "a pattern with {video}, such as visual/{video}.npy; {crop}, {class}, {split}, {fold} and * may stand in it too"


@dataclass(frozen=True)
class OwnRelease(Release):
    """The feature files of a user's benchmark.

    Attributes:
        patterns: of the picture's files and of the sound's ("" without), as seen from `root`.
    """

    patterns: tuple[str, str] = ("", "")

    @property
    def has_audio(self) -> bool:
        return bool(self.patterns[1])

    def visual_place(self, split: Split, video: str, crop: int) -> Path:
        return self.root / _written(self.patterns[0], split, video, crop)

    def audio_place(self, split: Split, video: str) -> Path:
        return self.root / _written(self.patterns[1], split, video, 0)


def find_own(benchmark: Benchmark, root: Path, videos: Mapping[Split, list[Video]]) -> OwnRelease:
    """The files that the benchmark's patterns match below `root`; of some, the headers are read too.

    Raises UserError, with the nearest files, for a pattern that matches nothing or no listed video, and for arrays
    whose axes are neither said nor told by their sizes.
    """
    definition = benchmark.definition
    features = definition.features if definition else None
    if definition is None or features is None:
        fix = "add `features: {visual: visual/{video}.npy}`"
        raise UserError(f"{benchmark.name}: features", "no pattern of feature files is named", expected=_FORM, fix=fix)
    listed = {split: {video.name for video in videos[split]} for split in videos}
    patterns = tuple(in_fold(pattern, benchmark.fold) for pattern in (features.visual, features.audio or ""))
    said = axes_named(features.axes, f"{benchmark.name}: features.axes") if features.axes else None
    stray: list[Path] = []
    twice: list[tuple[Path, Path]] = []
    visual = _matched(root, patterns[0], f"{benchmark.name}: features.visual", listed, stray, twice)
    audio: dict[Split, dict[str, Crops]] = {"train": {}, "test": {}}
    if patterns[1]:
        audio = _matched(root, patterns[1], f"{benchmark.name}: features.audio", listed, stray, twice)
    axes, crops = _axes(visual, said, features.array)
    if crops is not None:
        visual = {split: {name: _every(files, crops) for name, files in visual[split].items()} for split in visual}
    tables = {root / in_fold(table.file, benchmark.fold) for table in definition.tables}
    stray = [path for path in stray if path not in tables]  # `{video}.txt` matches a list beside the features too
    layout = Layout(
        "own", features.name, None, "", re.compile(""), None, False, "", "", axes, crops or 1, features.array
    )
    sounds = {split: {name: next(iter(files.values())) for name, files in audio[split].items()} for split in audio}
    return OwnRelease(
        benchmark, root, layout, visual, sounds, tuple(stray), tuple(twice), patterns=(patterns[0], patterns[1])
    )


def _every(files: Crops, crops: int) -> Crops:
    """Every crop of a file that holds them all."""
    return dict.fromkeys(range(crops), next(iter(files.values())))


def _axes(visual: Mapping[Split, Mapping[str, Crops]], said: Axes | None, array: str | None) -> tuple[Axes, int | None]:
    """The axes of all files, told by some, and how many crops a file holds; None where it holds one."""
    paths = sorted({path for found in visual.values() for files in found.values() for path in files.values()})
    headers = []
    for path in paths[:_SAMPLE]:
        try:
            headers.append(read_header(path, array=array, axes=said, told=False))
        except UserError:
            continue  # the plan reads it again, and says what is wrong with it
    if not headers:
        return said or ("rows", "columns"), None
    dimensions = len(said) if said else prevailing(len(header.shape) for header in headers)
    fitting = [header for header in headers if len(header.shape) == dimensions]  # an odd one out is the plan's to blame
    axes = said or told_axes([header.shape for header in fitting], fitting[0].path)
    return axes, prevailing(header.shape[axes.index("crops")] for header in fitting) if "crops" in axes else None


def _matched(
    root: Path,
    pattern: str,
    key: str,
    listed: Mapping[Split, set[str]],
    stray: list[Path],
    twice: list[tuple[Path, Path]],
) -> dict[Split, dict[str, Crops]]:
    """By split and video, the file of each crop; `stray` takes the files of no listed video, `twice` second ones."""
    where = f"{key}: {pattern}"
    expression = _expression(pattern, where)
    found: dict[Split, dict[str, Crops]] = {"train": {}, "test": {}}
    files, every = list(_files(root, pattern)), listed["train"] | listed["test"]
    for path in files:
        match = expression.fullmatch(path.as_posix() if os.path.isabs(pattern) else path.relative_to(root).as_posix())
        if match is None:
            continue
        parts = match.groupdict()
        name = _listed_name(parts["video"], every, goes_on="{video}*" in pattern)
        split = _split_of(name, parts.get("split"), listed)
        if split is None:
            stray.append(path)
        else:
            crops, crop = found[split].setdefault(name, {}), int(parts.get("crop") or 0)
            twice += [(path, crops[crop])] if crop in crops else []
            crops.setdefault(crop, path)
    if not any(found.values()):
        raise _nothing(root, where, pattern, files, every)
    return found


def _expression(pattern: str, where: str) -> re.Pattern[str]:
    if pattern.count("{video}") != 1:
        raise UserError(where, "the pattern names {video} not once", expected=_FORM)
    parts = re.split(r"(\{[a-z]+\}|\*\*/|\*)", Path(pattern).as_posix())
    written = ""
    for part in parts:
        if part.startswith("{"):
            if part[1:-1] not in _PARTS:
                raise UserError(where, f"{part} is nothing that a pattern knows", expected=_FORM)
            written += _PARTS[part[1:-1]]
        else:
            written += {"*": "[^/]*", "**/": "(?:.+/)?"}.get(part, re.escape(part))
    return re.compile(written, re.DOTALL)


def _files(root: Path, pattern: str) -> Iterator[Path]:
    """The files below the pattern's fixed beginning, sorted."""
    fixed = pattern.split("{")[0].split("*")[0].rpartition("/")[0]
    folder = root / fixed
    if not folder.is_dir():
        raise UserError(
            folder, "no such folder, which a pattern of features names", expected=f"files {pattern} below {root}"
        )
    walked: set[str] = set()
    for here, folders, names in os.walk(folder, followlinks=True):  # folders of classes are often links
        walked.add(os.path.realpath(here))
        folders[:] = sorted(name for name in folders if os.path.realpath(Path(here, name)) not in walked)
        yield from (Path(here) / name for name in sorted(names) if not name.startswith("."))


def _split_of(name: str, written: str | None, listed: Mapping[Split, set[str]]) -> Split | None:
    """The split that lists the video; None where none does, and for a file that lies in another split's folder."""
    split = next((split for split in listed if name in listed[split]), None)
    return split if written is None or _SPLITS.get(written.lower()) == split else None


def _listed_name(written: str, listed: set[str], *, goes_on: bool) -> str:
    """The listed video that a file's name means: the name as it is, or without folders and a video's ending.

    Where the pattern `goes_on` behind it, as `{video}*` does, also the longest listed name that it begins with.
    """
    bare = written.rpartition("/")[2]
    shorter = (bare[:end] for end in range(len(bare) if goes_on else 0, 0, -1))
    return next((name for name in (written, bare, own_name(bare), *shorter) if name in listed), bare)


def _written(pattern: str, split: Split, video: str, crop: int) -> str:
    return pattern.replace("{video}", video).replace("{crop}", str(crop)).replace("{split}", split)


def _nothing(root: Path, where: str, pattern: str, files: list[Path], listed: set[str]) -> UserError:
    """The error of a pattern that matches no listed video: which files are there, and which of them are near."""
    wanted = _written(pattern, "train", min(listed, default="VIDEO"), 0)
    there = [os.path.relpath(path, root) for path in files]
    near = get_close_matches(wanted, there, n=3, cutoff=0.3) or there[:3]
    problem = f"matches no file of a listed video; {len(files)} files are below {root}"
    return UserError(where, problem, expected=f"files such as {wanted}", nearest=" or ".join(near) or None)
