"""A small test set, and scores of it in every form that another program may write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mmvad.benchmarks.benchmark import AnomalyClass, Benchmark, Event, Video
from mmvad.evaluation.truth import Length, Truth, truth_of_lists

TINY = Benchmark(
    "tiny",
    "Tiny",
    (AnomalyClass("N", "normal"), AnomalyClass("A", "arson"), AnomalyClass("B", "burglary")),
    30.0,
    {"train": 0, "test": 0},
    0,
    "auc",
    "none",
    False,
)
FRAMES = {"a_x264": 100, "b_x264": 64, "c_x264": 240, "d_x264": 33}
ROWS = {name: frames // 16 for name, frames in FRAMES.items()}
EVENTS = {"a_x264": (Event("A", 16, 90),), "c_x264": (Event("B", 7, 40), Event("B", 100, 200))}
LENGTHS = {name: Length(FRAMES[name], ROWS[name]) for name in FRAMES}


def tiny_truth(lengths: Mapping[str, Length] | None = LENGTHS) -> Truth:
    videos = []
    for name in FRAMES:
        events = EVENTS.get(name, ())
        labels = tuple({event.label: None for event in events}) or ("N",)
        videos.append(Video(name, "test", labels, events, tuple((e.start, e.end) for e in events)))
    return truth_of_lists(TINY, {"train": [Video("t_x264", "train", ("N",))], "test": videos}, Path("lists"), lengths)


def scores(per_frame: bool = False) -> dict[str, np.ndarray]:
    """A score a row (or frame) of every video, float32."""
    return {
        name: np.random.default_rng(i).random(FRAMES[name] if per_frame else ROWS[name], dtype=np.float32)
        for i, name in enumerate(FRAMES)
    }


def classes(per_frame: bool = False) -> dict[str, np.ndarray]:
    """Class probabilities likewise, [n, 3]."""
    return {
        name: np.random.default_rng(50 + i).dirichlet(np.ones(3), FRAMES[name] if per_frame else ROWS[name])
        for i, name in enumerate(FRAMES)
    }


def as_joined_npz(path: Path, values: Mapping[str, np.ndarray]) -> Path:
    np.savez(
        path.with_suffix(".npz"),
        names=np.array([*values]),
        snippets=np.array([len(v) for v in values.values()]),
        scores=np.concatenate([*values.values()]),
    )
    return path.with_suffix(".npz")


def as_npz(path: Path, values: Mapping[str, np.ndarray]) -> Path:
    np.savez(path.with_suffix(".npz"), **values)
    return path.with_suffix(".npz")


def as_folder(path: Path, values: Mapping[str, np.ndarray]) -> Path:
    for position, (name, value) in enumerate(values.items()):
        folder = path / "sub" if position % 2 else path
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}.npy", value)
    return path


def as_lone_npy(path: Path, values: Mapping[str, np.ndarray]) -> Path:
    np.save(path.with_suffix(".npy"), np.concatenate([*values.values()]))
    return path.with_suffix(".npy")


def as_csv(path: Path, values: Mapping[str, np.ndarray]) -> Path:
    lines = [f"{name}, {i}, {score!r}" for name, value in values.items() for i, score in enumerate(value.tolist())]
    path.with_suffix(".csv").write_text("\n".join(["video, row, score", *reversed(lines)]))
    return path.with_suffix(".csv")


FORMS: dict[str, Callable[[Path, Mapping[str, np.ndarray]], Path]] = {
    "names, snippets and scores": as_joined_npz,
    "an array a video": as_npz,
    "a folder": as_folder,
    "one array": as_lone_npy,
    "csv": as_csv,
}
