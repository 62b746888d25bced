"""The videos of a user's benchmark, from the tables that its file names: labels, splits and frames."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from mmvad.benchmarks import ucf_crime, xd_violence
from mmvad.benchmarks.benchmark import Benchmark, Event, Split, Video
from mmvad.benchmarks.definition import Table
from mmvad.benchmarks.name_lists import class_told, read_names
from mmvad.benchmarks.own_events import read_own_events
from mmvad.benchmarks.own_fields import Listed, OwnTables, number, own_name
from mmvad.benchmarks.records import Record, read_records
from mmvad.benchmarks.timeline import Timing
from mmvad.errors import UserError, nearest_name

_SPLITS = {"training": "train", "trainval": "train", "testing": "test", "val": "test", "validation": "test"}
_SEPARATORS = re.compile(r"\s*[;|+,]\s*")


def read_own_videos(benchmark: Benchmark, folder: Path | None = None) -> dict[Split, list[Video]]:
    """The videos of both splits, in the tables' order; test videos with events and frame ground truth.

    Args:
        folder: from where the places in the benchmark's file are seen; the file's own folder if None.

    Raises UserError, naming file and line, for whatever is missing, malformed or contradictory: for all lines at once.
    """
    definition, root = benchmark.definition, folder or benchmark.folder
    assert definition is not None
    assert root is not None
    if not definition.videos:
        raise UserError(
            f"{benchmark.name}: videos",
            "no table of videos is named",
            expected="a CSV or JSON file with the columns video, split, class",
            fix="`mmvad data new DIR` writes a first one",
        )
    reader = _Reader(benchmark, definition, root)
    videos: dict[str, Listed] = {}
    for table in definition.videos:
        for listed in reader.listed(table):
            with reader.faults.line():
                _keep(videos, listed)
    reader.faults.check()
    _check_splits(benchmark, videos, root)
    return reader.with_events(videos)


def _keep(videos: dict[str, Listed], listed: Listed) -> None:
    before = videos.get(listed.video.name)
    if before is None:
        videos[listed.video.name] = listed
    elif before.video.split != listed.video.split:
        problem = f"the video {listed.video.name} is in both splits, in {before.video.split} at {before.where}"
        raise UserError(listed.where, problem, expected="each video in one split: its test would be no test")
    elif before.video != listed.video:
        was = f"before with {'-'.join(before.video.labels)} at {before.where}"
        raise UserError(
            listed.where, f"the video {listed.video.name} a second time, {was}", expected="one line a video"
        )


def _check_splits(benchmark: Benchmark, videos: dict[str, Listed], root: Path) -> None:
    """Raises UserError for training videos of one kind alone, from which nothing can be learned."""
    train = [listed.video for listed in videos.values() if listed.video.split == "train"]
    for kind, there in (
        ("normal", [v for v in train if v.labels == (benchmark.normal,)]),
        ("abnormal", [v for v in train if v.labels != (benchmark.normal,)]),
    ):
        if train and not there:
            raise UserError(
                root / _first_place(benchmark),
                f"no {kind} training video among {len(train)}",
                expected=f"training videos of both kinds; the normal class is {benchmark.normal!r}, the first listed",
                nearest=None,
            )


def _first_place(benchmark: Benchmark) -> str:
    assert benchmark.definition is not None
    return benchmark.definition.videos[0].file


class _Reader(OwnTables):
    def listed(self, table: Table) -> Iterator[Listed]:
        path = self.place(table.file)
        if table.form != "table":
            yield from self._of_public_form(table, path)
            return
        said = {"split": table.split, "class": table.label}
        for record in read_records(table, path, ("video", *(name for name in ("class", "split") if not said[name]))):
            with self.faults.line():
                yield self._of_record(table, record)

    def _of_record(self, table: Table, record: Record) -> Listed:
        name = self.name(record)
        split = self._split(table, record)
        if table.label is not None:
            record = replace(record, fields={**record.fields, "class": class_told(table.label, name, record.where)})
        return Listed(record.where, Video(name, split, self._labels(record), timing=self._timing(record, name)))

    def _of_public_form(self, table: Table, path: Path) -> Iterator[Listed]:
        if table.split is None:
            fix = "say `split: train` or `split: test` beside it, or videos: {train: ..., test: ...}"
            raise UserError(path, f"a list in the form of {table.form} says no split", fix=fix)
        if table.form == "xd_violence":
            records = read_records(table, path)
            labels = {}
            for r in records:
                with self.faults.line():
                    labels[self.name(r)] = xd_violence.parse_label(r.text("class") or "", r.where, self.benchmark)
        elif table.form == "names":
            labels = {}
            for line, written in read_names(path, table.line):
                with self.faults.line():
                    name, where = own_name(written), str(line)
                    labels[name] = (self.class_key(class_told(table.label or "", name, where), where),)
        else:
            labels = ucf_crime.read_split(path, self.benchmark)
        for name, keys in labels.items():
            yield Listed(str(path), Video(name, table.split, keys, timing=self._timing(Record(str(path), {}), name)))

    def _split(self, table: Table, record: Record) -> Split:
        if table.split:
            return table.split
        written = record.text("split") or ""
        split = _SPLITS.get(written.lower(), written.lower())
        if split not in get_args(Split):
            nearest = nearest_name(split, get_args(Split))
            raise UserError(record.where, f"split {written!r}", expected="train or test", nearest=nearest)
        return split  # type: ignore[return-value]

    def _labels(self, record: Record) -> tuple[str, ...]:
        """The video's classes, in the benchmark's order; several are separated by one of ; | + , or are a list."""
        written = record.fields.get("class")
        parts = written if isinstance(written, list) else [written]
        words = [str(part).strip() for part in parts if part is not None]
        if len(words) == 1 and words[0] not in self.benchmark.class_keys:
            words = _SEPARATORS.split(words[0])
        found = {self.class_key(word, record.where) for word in words if word}
        keys = tuple(key for key in self.benchmark.class_keys if key in found)
        if not keys or (self.benchmark.normal in keys and len(keys) > 1):
            expected = f"{self.benchmark.normal} alone, or abnormal classes separated by ;"
            raise UserError(record.where, f"class {written!r}", expected=expected)
        return keys

    def _timing(self, record: Record, name: str) -> Timing:
        """Which frames the video's rows stand for."""
        fps = number(record, "fps")
        if self.definition.frames == "rows":
            return Timing(fps=fps)
        frames = number(record, "frames", whole=True)
        row = self.definition.row
        per_row = None
        if row.video is None:
            seconds = row.seconds or 0.0
            per_row = row.frames or seconds * (fps or self.definition.frames_per_second)
        return Timing(None if frames is None else int(frames), per_row, fps)

    def with_events(self, listed: dict[str, Listed]) -> dict[Split, list[Video]]:
        """The videos by split, the test videos with their events."""
        said = read_own_events(self, listed, self.definition.events)
        events, lengths = said.events, said.lengths
        annotators = self.definition.annotators.items()
        further = {name: read_own_events(self, listed, spec).events for name, spec in annotators}
        self.faults.check()
        videos: dict[Split, list[Video]] = {"train": [], "test": []}
        for entry in listed.values():
            video = entry.video
            if video.timing.frames is None and video.name in lengths and self.definition.frames == "raw":
                video = replace(video, timing=replace(video.timing, frames=lengths[video.name]))
            own = tuple(events.get(video.name, ())) if video.split == "test" else ()
            with self.faults.line():
                self._check_video(entry, video, own)
            spans = _spans(own)
            seen = tuple((name, _spans(by_video.get(video.name, ()))) for name, by_video in further.items())
            seen = seen if video.split == "test" else ()
            videos[video.split].append(replace(video, events=own, intervals=spans, annotators=seen))
        self.faults.check()
        return videos

    def _check_video(self, entry: Listed, video: Video, events: Sequence[Event]) -> None:
        if self.definition.row.video is not None and video.timing.frames is None:
            fix = "add the column `frames`: a row stands for a share of the whole video"
            raise UserError(entry.where, f"frames of {video.name} are not said", fix=fix)
        if video.split != "test":
            return
        normal = video.labels == (self.benchmark.normal,)
        if normal and events:
            raise UserError(
                entry.where, f"{video.name} is normal and has events", expected="no event, or another class"
            )
        if not normal and not events and self.definition.events is not None:
            problem = f"{video.name} is abnormal and has no event"
            raise UserError(entry.where, problem, expected="an event in every abnormal test video")


def _spans(events: Sequence[Event]) -> tuple[tuple[int, int], ...]:
    return tuple((event.start, event.end) for event in events)
