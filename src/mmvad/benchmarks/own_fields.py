"""What the fields of a user's tables say, read alike in tables of videos and of events."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from mmvad.benchmarks.benchmark import Benchmark, Video
from mmvad.benchmarks.definition import Definition
from mmvad.benchmarks.faults import Faults
from mmvad.benchmarks.records import Record
from mmvad.errors import UserError, nearest_name

_SUFFIX = re.compile(r"\.(mp4|avi|mkv|mov|mpg|mpeg|ts|webm|wmv|flv|m4v|npy|npz|pt|pth|txt|csv|safetensors)$", re.I)


@dataclass(frozen=True)
class Listed:
    """A video and the line that lists it."""

    where: str
    video: Video


@dataclass(frozen=True)
class OwnTables:
    """A user's benchmark, the folder from which its tables are seen, and what was found wrong in their lines."""

    benchmark: Benchmark
    definition: Definition
    root: Path
    faults: Faults = field(default_factory=Faults)

    def place(self, written: str) -> Path:
        """A file that the benchmark's file names. Raises UserError, with the nearest name, where it is not there."""
        path = self.root / in_fold(written, self.benchmark.fold)
        if not path.is_file():
            beside = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
            nearest = nearest_name(path.name, beside)
            raise UserError(
                path,
                f"{'is a folder' if path.is_dir() else 'no such file'}, which the benchmark's file names",
                expected=f"a table, seen from {self.root}",
                nearest=str(path.with_name(nearest)) if nearest else None,
            )
        return path

    def name(self, record: Record) -> str:
        """The video that a line is about. Raises UserError where it names none."""
        name = own_name(record.text("video") or "")
        if not name:
            raise UserError(record.where, "names no video", expected="a name in every line")
        return name

    def class_key(self, word: str, where: str) -> str:
        """The class of that key; letters' case does not count where it tells no two classes apart."""
        keys = self.benchmark.class_keys
        if word not in keys:
            alike = [key for key in keys if key.lower() == word.lower()]
            word = alike[0] if len(alike) == 1 else word
        self.benchmark.class_index(word, where)
        return word


def own_name(written: str) -> str:
    """The video that a field names: without folders (of either slash) and without a file's usual ending."""
    return _SUFFIX.sub("", re.split(r"[/\\]", written.strip())[-1])


def in_fold(written: str, fold: str | None) -> str:
    """A place with `{fold}` replaced."""
    return written if fold is None else written.replace("{fold}", fold)


def number(record: Record, name: str, *, whole: bool = False) -> float | None:
    """A positive number; None where the field is empty or not there."""
    text = record.text(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0 and (not whole or value == int(value))):
        expected = "a whole number above 0" if whole else "a number above 0"
        raise UserError(record.where, f"{name} = {text!r}", expected=expected)
    return value
