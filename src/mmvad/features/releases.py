"""The public layouts of feature releases: which file holds which crop of which video.

XD-Violence: `XDTrainClipFeatures/` and `XDTestClipFeatures/` with `<video>__<crop>.npy`, and
`vggish-features/{train,test}/<video>__vggish.npy`. UCF-Crime: `UCFClipFeatures/<class folder>/<video>__<crop>.npy`, or
the class folders in the root. Names of videos may hold `#`, `=`, dots and `__`: the crop is what follows the last `__`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mmvad.benchmarks.benchmark import Benchmark, Split
from mmvad.errors import UserError, nearest_name

XD_VISUAL: dict[Split, str] = {"train": "XDTrainClipFeatures", "test": "XDTestClipFeatures"}
UCF_VISUAL = "UCFClipFeatures"
AUDIO = "vggish-features"
_VISUAL_NAME = re.compile(r"(?P<video>.+)__(?P<crop>\d+)\.npy", re.DOTALL)
_AUDIO_SUFFIX = "__vggish.npy"

Crops = dict[int, Path]

_TREES = {
    "xd_violence": """\
ROOT/
  XDTrainClipFeatures/<video>__<crop>.npy         [snippets, 512], crops 0 to 9
  XDTestClipFeatures/<video>__<crop>.npy          [snippets, 512], crop 0 is tested
  vggish-features/train/<video>__vggish.npy       [snippets, 128]
  vggish-features/test/<video>__vggish.npy        [snippets, 128]
  xd_train.csv, xd_test.csv                       path,label (one row a crop) or video,label
  annotations.txt, annotations_multiclasses.txt   lists and annotations: in ROOT, annotations/, list/ or --lists DIR""",
    "ucf_crime": """\
ROOT/
  UCFClipFeatures/Abuse/<video>__<crop>.npy       [snippets, 512], crops 0 to 9, crop 5 is tested
  UCFClipFeatures/Arrest/...                      one folder a class, Training_ and Testing_Normal_Videos_Anomaly
  vggish-features/{train,test}/<video>__vggish.npy   only where videos have sound
  Anomaly_Train.txt, Anomaly_Test.txt             folder/video.mp4
  Temporal_Anomaly_Annotation.txt                 lists and annotations: in ROOT, annotations/, list/ or --lists DIR""",
}
_ORIGINS = {
    "xd_violence": "CLIP features: the project page of VadCLIP's authors; VGGish features, lists and annotations: the "
    "project page of XD-Violence",
    "ucf_crime": "CLIP features: the project page of VadCLIP's authors; lists and annotation: the project page of "
    "UCF-Crime (Real-world Anomaly Detection in Surveillance Videos)",
}


@dataclass(frozen=True)
class Release:
    """The feature files of a release.

    Attributes:
        visual: by split and video, the file of each crop. UCF-Crime does not sort its files by split: both are equal.
        audio: by split and video, the file with the sound; empty where the release has no folder of sound.
        unnamed: .npy files whose names follow no pattern.
    """

    benchmark: Benchmark
    root: Path
    visual: dict[Split, dict[str, Crops]]
    audio: dict[Split, dict[str, Path]]
    unnamed: tuple[Path, ...]

    @property
    def has_audio(self) -> bool:
        return (self.root / AUDIO).is_dir()

    def visual_place(self, split: Split, video: str, crop: int) -> Path:
        """Where the file of that crop is expected."""
        if self.benchmark.name == "xd_violence":
            return self.root / XD_VISUAL[split] / f"{video}__{crop}.npy"
        return _ucf_root(self.root) / "<class folder>" / f"{video}__{crop}.npy"

    def audio_place(self, split: Split, video: str) -> Path:
        """Where the file of the video's sound is expected."""
        return self.root / AUDIO / split / (video + _AUDIO_SUFFIX)


def find_release(benchmark: Benchmark, root: Path) -> Release:
    """The release at `root`; only names are read.

    Raises UserError, drawing the expected tree, if the folders are not there; and for two files of one crop.
    """
    if benchmark.name not in _TREES:
        expected = f"one of {', '.join(_TREES)}"
        raise UserError(benchmark.name, "this benchmark has no release: its features are made", expected=expected)
    unnamed: list[Path] = []
    if benchmark.name == "xd_violence":
        _require(benchmark, root, [root / folder for folder in XD_VISUAL.values()])
        visual = {split: _visual([root / folder], unnamed) for split, folder in XD_VISUAL.items()}
    else:
        folders = _class_folders(_ucf_root(root))
        _require(benchmark, root, folders or [root / UCF_VISUAL])
        both = _visual(folders, unnamed)
        visual = dict.fromkeys(get_args(Split), both)
    audio = {split: _audio(root / AUDIO / split, unnamed) for split in get_args(Split)}
    if not any(visual.values()):
        raise _absent(benchmark, root, "the folders hold no file <video>__<crop>.npy")
    return Release(benchmark, root, visual, audio, tuple(unnamed))


def require_audio(release: Release) -> None:
    """Raises UserError, drawing the expected tree, if the release has no folder of sound."""
    if not release.has_audio:
        fix = f"fetch {AUDIO}/, or say --audio optional (a video may be silent) or --audio none"
        raise _absent(release.benchmark, release.root, f"visual features found, {AUDIO}/ missing", AUDIO, fix)


def expected_tree(benchmark: Benchmark) -> str:
    """The layout of the benchmark's public release, drawn, and where such a release comes from."""
    return f"{_TREES[benchmark.name]}\n  from: {_ORIGINS[benchmark.name]}"


def _visual(folders: list[Path], unnamed: list[Path]) -> dict[str, Crops]:
    found: dict[str, Crops] = {}
    for folder in folders:
        for path in _npy_files(folder):
            match = _VISUAL_NAME.fullmatch(path.name)
            if match is None:
                unnamed.append(path)
                continue
            crops = found.setdefault(match["video"], {})
            crop = int(match["crop"])
            if crop in crops:
                raise UserError(path, f"a second file of this crop, beside {crops[crop]}", expected="one file a crop")
            crops[crop] = path
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


def _ucf_root(root: Path) -> Path:
    return root / UCF_VISUAL if (root / UCF_VISUAL).is_dir() else root


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


def _require(benchmark: Benchmark, root: Path, folders: list[Path]) -> None:
    missing = [folder for folder in folders if not folder.is_dir()]
    if not root.is_dir():
        raise _absent(benchmark, root, "there is no such folder")
    if missing:
        found = [f"{folder.name}/ found" for folder in folders if folder not in missing]
        lost = [f"{folder.name}/ missing" for folder in missing]
        raise _absent(benchmark, root, ", ".join(found + lost), missing[0].name)


def _absent(benchmark: Benchmark, root: Path, problem: str, folder: str = "", fix: str | None = None) -> UserError:
    there = [path.name for path in root.iterdir() if path.is_dir()] if folder and root.is_dir() else []
    # a folder that has its right name is no misspelling of another one
    nearest = nearest_name(folder, set(there) - {*XD_VISUAL.values(), UCF_VISUAL, AUDIO})
    return UserError(
        root,
        f"no feature release of {benchmark.title}: {problem}",
        expected=expected_tree(benchmark).replace("\n", "\n    "),
        nearest=f"the folder {nearest}/, renamed to {folder}/" if nearest else None,
        fix=fix or "name the folder that holds these as SOURCE",
    )
