"""What a test set holds: its videos with labels, events and frame ground truth, and as far as it is known how long."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mmvad.bank.bank import Bank, BankVideo
from mmvad.benchmarks.benchmark import Annotators, Benchmark, Event, Split, Video
from mmvad.benchmarks.lines import read_text, video_name
from mmvad.benchmarks.timeline import PUBLISHED, Timing
from mmvad.errors import UserError


@dataclass(frozen=True)
class TruthVideo:
    """One test video.

    Attributes:
        intervals: frame ground truth as (start, end) pairs, end-exclusive, uncut.
        rows: of features; None where it is not known.
        frames: of the video file; None where it is not known.
        timing: which frames rows stand for.
        annotators: what further annotators call abnormal.
    """

    name: str
    labels: tuple[str, ...]
    events: tuple[Event, ...]
    intervals: tuple[tuple[int, int], ...]
    rows: int | None = None
    frames: int | None = None
    timing: Timing = PUBLISHED
    annotators: Annotators = ()

    @property
    def row_frames(self) -> int | None:
        """Frames that its rows are scored on; None where they are not known."""
        return None if self.rows is None else int(self.timing.borders(self.rows)[-1])


@dataclass(frozen=True)
class Truth:
    """A benchmark's test set.

    Attributes:
        videos: in the order of the list, or of the bank.
        training: names of the training videos, so that one of them among the scores is called what it is.
        source: where it was read, in words.
        content_hash: of the bank, or of names, labels, events and intervals.
        bank: where the bank lies; None for lists.
    """

    benchmark: Benchmark
    videos: tuple[TruthVideo, ...]
    training: frozenset[str]
    source: str
    content_hash: str
    bank: Path | None = None

    @cached_property
    def by_name(self) -> dict[str, TruthVideo]:
        return {video.name: video for video in self.videos}


@dataclass(frozen=True)
class Length:
    """How long a video is: frames of its file, rows of its features, or both."""

    frames: int | None
    rows: int | None


def truth_of_bank(benchmark: Benchmark, bank: Bank, lengths: Mapping[str, Length] | None = None) -> Truth:
    """The test split of a bank. Raises UserError for a bank of another benchmark."""
    if bank.benchmark != benchmark.name:
        raise UserError(bank.path, f"is a bank of {bank.benchmark}", expected=f"one of {benchmark.name}")
    known = lengths or {}
    videos = tuple(_with_length(v, known.get(v.name, Length(None, None)), v.snippets) for v in bank.test.videos)
    training = frozenset(video.name for video in bank.train.videos)
    return Truth(benchmark, videos, training, f"the bank {bank.path}", bank.content_hash, bank.path)


def truth_of_lists(
    benchmark: Benchmark,
    videos: Mapping[Split, Sequence[Video]],
    lists: Path | None,
    lengths: Mapping[str, Length] | None = None,
) -> Truth:
    """The test split of a benchmark's own lists. Raises UserError where a table of lengths lacks a video."""
    known = lengths or {}
    absent = [video.name for video in videos["test"] if video.name not in known]
    if lengths is not None and absent:
        raise UserError("--lengths", f"says nothing of {len(absent)} test videos: {absent[0]}", expected="all of them")
    made = tuple(_with_length(video, known.get(video.name, Length(None, None))) for video in videos["test"])
    training = frozenset(video.name for video in videos["train"])
    source = f"the lists in {lists}" if lists else f"the tables of {benchmark.title}"
    return Truth(benchmark, made, training, source, _hash(benchmark, made))


def read_lengths(path: Path) -> dict[str, Length]:
    """The videos' lengths from a table with the column `video`, and `frames`, `snippets` or both; others are skipped.

    Raises UserError, naming the line, for what is no number, and for a video that is there twice.
    """
    rows = csv.DictReader(read_text(path).splitlines())
    columns = [column.strip() for column in rows.fieldnames or ()]
    if "video" not in columns or not {"frames", "snippets"} & {*columns}:
        raise UserError(f"{path}, line 1", f"columns {columns}", expected="video, and frames or snippets or both")
    found: dict[str, Length] = {}
    for row in rows:
        where, values = f"{path}, line {rows.line_num}", {str(k).strip(): v for k, v in row.items()}
        name = video_name(values["video"] or "")
        if name in found:
            raise UserError(where, f"the video {name} a second time", expected="one line a video")
        frames, snippets = (_count(values[key], where) if key in values else None for key in ("frames", "snippets"))
        found[name] = Length(frames, snippets)
    return found


def _count(text: str | None, where: str) -> int:
    if text is None or not text.strip().isdecimal():
        raise UserError(where, f"{text!r} is no length", expected="a whole number of frames or snippets")
    return int(text)


def _with_length(video: Video | BankVideo, length: Length, rows: int | None = None) -> TruthVideo:
    """The video with what is known of its length: what a bank or the benchmark says goes before a table."""
    frames = video.timing.frames if video.timing.frames is not None else length.frames
    rows = rows if rows is not None else length.rows
    facts = video.name, video.labels, video.events, video.intervals
    return TruthVideo(*facts, rows, frames, video.timing, video.annotators)


def _hash(benchmark: Benchmark, videos: Sequence[TruthVideo]) -> str:
    """SHA-256 of what scores are held against, in the order of names."""
    content = [
        [v.name, v.labels, [[e.label, e.start, e.end] for e in v.events], v.intervals, v.timing.record()]
        for v in sorted(videos, key=lambda v: v.name)
    ]
    return hashlib.sha256(json.dumps([benchmark.name, content]).encode()).hexdigest()
