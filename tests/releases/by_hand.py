"""Small feature releases in the public layouts, written by the tests themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks import registry

XD_TRAIN = ("t=1.Film__#00-01_label_A", "t=2__#1_label_G-B2-0", "t 3__#1_label_B1")
XD_TEST = ("a=1__#1_label_B4-0-0", "b.film__#2_label_B1-B2-0", "n__#00_label_A")
UCF_TRAIN = ("Arson/Arson001_x264", "Training_Normal_Videos_Anomaly/Normal_Videos001_x264")
UCF_TEST = ("Abuse/Abuse028_x264", "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264")


@dataclass(frozen=True)
class Hand:
    """A release: where it is and how its files are called."""

    root: Path

    def visual(self, video: str, crop: int = 0) -> Path:
        (path,) = self.root.rglob(f"{video.split('/')[-1]}__{crop}.npy")
        return path

    def audio(self, video: str) -> Path:
        (path,) = self.root.rglob(f"{video}__vggish.npy")
        return path


def rows(count: int, width: int, seed: int) -> np.ndarray:
    """[count, width] float32, the same for the same seed."""
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def write_xd(root: Path, crops: int = 2, train: tuple[str, ...] = XD_TRAIN, snippets: int = 5) -> Hand:
    """A release of XD-Violence; the i-th video has `snippets` + i snippets."""
    for split, folder, names in (("train", "XDTrainClipFeatures", train), ("test", "XDTestClipFeatures", XD_TEST)):
        for i, name in enumerate(names):
            for k in range(crops if split == "train" else 1):
                save(root / folder / f"{name}__{k}.npy", rows(snippets + i, 512, 100 * i + k))
            save(root / "vggish-features" / split / f"{name}__vggish.npy", rows(snippets + i, 128, 100 * i + 50))
        table = "".join(f"{name},{name.split('_label_')[1]}\n" for name in names)
        (root / f"xd_{split}.csv").write_text("video,label\n" + table)
    notes = root / "annotations"
    notes.mkdir()
    (notes / "annotations.txt").write_text(f"{XD_TEST[0]}.mp4 3 40\n{XD_TEST[1]} 0 20 30 9999")
    (notes / "annotations_multiclasses.txt").write_text(f"{XD_TEST[0]} B1 3 40\n{XD_TEST[1]} B1 0 20 B2 10 9999")
    return Hand(root)


def write_ucf(root: Path, inner: str = "UCFClipFeatures") -> Hand:
    """A release of UCF-Crime, silent, train crops 0 and 1, test crop 5."""
    for names, crops in ((UCF_TRAIN, (0, 1)), (UCF_TEST, (5,))):
        for i, name in enumerate(names):
            for k in crops:
                save(root / inner / f"{name}__{k}.npy", rows(4 + i, 512, 100 * i + k))
    for names, file in ((UCF_TRAIN, "Anomaly_Train.txt"), (UCF_TEST, "Anomaly_Test.txt")):
        (root / file).write_text("".join(f"{name}.mp4\n" for name in names))
    line = "{}  {}  {}  {}  -1  -1  \n"
    abuse, normal = (name.split("/")[1] for name in UCF_TEST)
    text = line.format(abuse, "Abuse", 5, 30) + line.format(normal, "Normal", -1, -1)
    (root / "Temporal_Anomaly_Annotation.txt").write_text(text)
    return Hand(root)


def set_official(monkeypatch: pytest.MonkeyPatch, name: str, train: int, test: int) -> None:
    """Makes the official split as small as a release by hand."""
    spec = replace(registry.BENCHMARKS[name], official_counts={"train": train, "test": test})
    monkeypatch.setitem(registry.BENCHMARKS, name, spec)


def snapshot(folder: Path, leave_out: Callable[[str], bool] = lambda name: name == "manifest.json") -> dict[str, bytes]:
    """The bytes of every file below the folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not leave_out(path.name)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
