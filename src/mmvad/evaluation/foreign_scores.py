"""Scores that another program wrote, by video: from arrays or a CSV.

What is what is told by the key: `NAME` has a score a row or frame [n], or class probabilities [n, C]; `NAME/score` (or
`scores`, `combined`), `NAME/classes` and `NAME/coarse` say it. So `scores.npz` of a run folder is read too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mmvad.errors import UserError
from mmvad.evaluation.arrays import EndToEnd, cut, end_to_end, known_name, names_in_words, read_arrays
from mmvad.evaluation.csv_scores import read_csv
from mmvad.evaluation.truth import Truth

Per = Literal["row", "frame"]
PARTS = {
    "score": "combined",
    "scores": "combined",
    "combined": "combined",
    "coarse": "coarse",
    "classes": "classes",
    "probabilities": "classes",
}
"""Last words of keys, with what they hold."""


@dataclass(frozen=True)
class VideoScores:
    """One video's outputs over rows or frames.

    Attributes:
        combined: the score that frames are ranked by, [n].
        coarse: of a run of this suite: the coarse branch's, [n].
        classes: class probabilities [n, C], normal first.
    """

    combined: np.ndarray | None = None
    coarse: np.ndarray | None = None
    classes: np.ndarray | None = None

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """What there is, by name."""
        return {name: part for name, part in vars(self).items() if part is not None}

    @property
    def length(self) -> int:
        return len(next(iter(self.parts.values())))


@dataclass(frozen=True)
class ForeignScores:
    """A file or folder of scores.

    Attributes:
        videos: by name.
        per: what an entry stands for, where the file says it (a CSV's column).
    """

    path: Path
    videos: dict[str, VideoScores]
    per: Per | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of names and numbers: the same for the same scores in another form of file."""
        digest = hashlib.sha256()
        for name in sorted(self.videos):
            for part, array in sorted(self.videos[name].parts.items()):
                digest.update(f"{name}/{part}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array, dtype="<f8").data.cast("B"))
        return digest.hexdigest()


def read_scores(path: Path, truth: Truth) -> ForeignScores:
    """The scores of a `.npz`, a `.npy`, a folder of `.npy` files, or a CSV.

    Raises UserError for what cannot be read, is no score, or does not say which video it is of.
    """
    if path.suffix.lower() in {".csv", ".tsv"}:
        table = read_csv(path, truth.benchmark)
        parts = {(known_name(name, truth.by_name), part): array for (name, part), array in table.parts.items()}
        return ForeignScores(path, _by_video(parts, truth, path), table.per)
    arrays = read_arrays(path)
    joined = end_to_end(arrays, path)
    if joined is not None:
        return ForeignScores(path, _by_video(_cut_parts(joined, truth, path), truth, path))
    named = {}
    for key, array in arrays.items():
        name, part = _split_key(key, array, truth)
        if (name, part) in named:
            raise UserError(path, f"two arrays for {part} of {name}", expected="one a video")
        named[name, part] = array
    return ForeignScores(path, _by_video(named, truth, path))


def _split_key(key: str, array: np.ndarray, truth: Truth) -> tuple[str, str]:
    """The video and the part that an array of one video holds."""
    name, _, last = key.rpartition("/")
    if name and last in PARTS:
        return known_name(name, truth.by_name), PARTS[last]
    return known_name(key, truth.by_name), "classes" if array.ndim == 2 else "combined"


def _cut_parts(joined: EndToEnd, truth: Truth, path: Path) -> dict[tuple[str, str], np.ndarray]:
    """Arrays of all videos, cut: by the lengths in the file, or by those of the test set."""
    found: dict[tuple[str, str], np.ndarray] = {}
    for key, array in joined.arrays.items():
        if key and key not in PARTS:
            raise UserError(f"{path}, {key}", "no such part of end-to-end scores", expected=", ".join(PARTS))
        names, lengths = joined.names, joined.lengths
        if names is None or lengths is None:
            names, lengths = tuple(v.name for v in truth.videos), _lengths_of_truth(truth, len(array), path)
        clean = [known_name(name, truth.by_name) for name in names]
        if len({*clean}) < len(clean):
            twice = next(name for name in clean if clean.count(name) > 1)
            raise UserError(path, f"the video {twice} is there twice", expected="each test video once")
        part = PARTS[key] if key and array.ndim == 1 else "classes" if array.ndim == 2 else "combined"
        found |= {(name, part): piece for name, piece in zip(clean, cut(array, lengths, path))}
    return found


def _lengths_of_truth(truth: Truth, total: int, path: Path) -> tuple[int, ...]:
    """How long each test video is in an array of so many entries: rows, their frames, or frames of the file."""
    each = [[v.rows for v in truth.videos], [v.row_frames for v in truth.videos], [v.frames for v in truth.videos]]
    candidates = [[n for n in lengths if n is not None] for lengths in each if None not in lengths]
    for lengths in candidates:
        if sum(lengths) == total:
            return tuple(lengths)
    sums = list(dict.fromkeys(f"{sum(n):,}" for n in candidates))
    raise UserError(
        path,
        f"{total:,} scores end to end, and nothing says where a video ends",
        expected=f"{' or '.join(sums)}, as {truth.source} has it" if sums else "names and snippets beside the scores",
        fix="save names and snippets too (npz), or one array a video; or give the lengths: --bank BANK, --lengths CSV",
    )


def _by_video(parts: Mapping[tuple[str, str], np.ndarray], truth: Truth, path: Path) -> dict[str, VideoScores]:
    _check_forms(parts, len(truth.benchmark.classes), path)
    videos: dict[str, dict[str, np.ndarray]] = {}
    for (name, part), array in parts.items():
        videos.setdefault(name, {})[part] = array
    found = {name: VideoScores(**own) for name, own in videos.items()}
    uneven = [name for name, own in found.items() if len({len(part) for part in own.parts.values()}) > 1]
    if uneven:
        problem = f"scores and class probabilities differ in length in {len(uneven)} videos: {names_in_words(uneven)}"
        raise UserError(path, problem, expected="the same length")
    return found


def _check_forms(parts: Mapping[tuple[str, str], np.ndarray], classes: int, path: Path) -> None:
    """Raises UserError for scores of a wrong shape, empty, not finite, or no probabilities; once for all videos."""
    wide = classes, "class probabilities"
    findings = {
        "no entry": [name for (name, _), array in parts.items() if not len(array)],
        "scores that are no single number a row": [n for (n, p), a in parts.items() if p != "classes" and a.ndim != 1],
        f"{wide[1]} of another width than {classes}": [
            n for (n, p), a in parts.items() if p == "classes" and (a.ndim != 2 or a.shape[1] != classes)
        ],
        "numbers that are NaN or infinite": [n for (n, _), a in parts.items() if not np.isfinite(a).all()],
        f"{wide[1]} outside 0 to 1": [n for (n, p), a in parts.items() if p == "classes" and _outside(a)],
    }
    for problem, names in findings.items():
        if names:
            raise UserError(
                path,
                f"{problem} in {len(names)} of {len({name for name, _ in parts})} videos: {names_in_words(names)}",
                expected=f"a finite score [n], or probabilities [n, {classes}] of the classes, the normal one first",
            )


def _outside(array: np.ndarray) -> bool:
    return bool(array.size) and bool(array.min() < 0 or array.max() > 1 + 1e-6)
