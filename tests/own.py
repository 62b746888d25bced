"""A small benchmark of a user's own: a file, two tables, features of odd widths, in folds if asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

CLASSES = ("calm", "brawl", "theft")
FILE = """\
title: Yard
classes: {calm: normal, brawl: people fighting, theft: somebody steals}
headline: ap
frames_per_second: 25
row: 8
videos: videos.csv
events: events.csv
features: {name: Tower, visual: "visual/{video}.npy", audio: "audio/{video}.npy"}
"""


def write_own(folder: Path, *, train: int = 12, test: int = 6, width: int = 20, seed: int = 0) -> Path:
    """Writes it; gives the benchmark's file. A third of the videos is silent; every second is abnormal."""
    rng = np.random.default_rng(seed)
    for part in ("visual", "audio"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    videos, events = ["video,split,class,frames"], ["video,class,start,end"]
    for i in range(train + test):
        split, label = ("train" if i < train else "test"), CLASSES[(i % 4) // 2 + 1] if i % 2 else CLASSES[0]
        rows = int(rng.integers(12, 20))
        frames, name = 8 * rows - 3, f"v{i:02d}"
        features = rng.normal(size=(rows, width)).astype(np.float32)
        if i % 2:
            features[4:8] += 1.5
            if split == "test":
                events.append(f"{name},{label},{8 * 4 + 2},{8 * 8}")
        np.save(folder / "visual" / f"{name}.npy", features)
        if i % 3:
            np.save(folder / "audio" / f"{name}.npy", rng.normal(size=(rows, 7)).astype(np.float32))
        videos.append(f"{name},{split},{label},{frames}")
    (folder / "videos.csv").write_text("\n".join(videos) + "\n")
    (folder / "events.csv").write_text("\n".join(events) + "\n")
    (folder / "yard.yaml").write_text(FILE)
    return folder / "yard.yaml"


def write_folds(folder: Path, names: Sequence[str] = ("a", "b")) -> Path:
    """The same in folds, each of other data."""
    for i, name in enumerate(names):
        write_own(folder / name, seed=i)
    text = FILE.replace("videos.csv", "'{fold}/videos.csv'").replace("events.csv", "'{fold}/events.csv'")
    text = text.replace('"visual/', '"{fold}/visual/').replace('"audio/', '"{fold}/audio/')
    file = folder / "yard.yaml"
    file.write_text(f"folds: [{', '.join(names)}]\n{text}")
    return file


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, old
    file.write_text(text.replace(old, new, 1))
