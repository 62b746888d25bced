"""The videos of a user's benchmark, from the tables that its file names: labels, splits, frames, events."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from mmvad.benchmarks import ucf_crime, xd_violence
from mmvad.benchmarks.benchmark import Benchmark, Event, Split, Video
from mmvad.benchmarks.definition import FRAME_FORMS, Definition, Events, Table
from mmvad.benchmarks.frame_files import read_frame_files
from mmvad.benchmarks.name_lists import class_told, read_names
from mmvad.benchmarks.records import Record, nested, read_records
from mmvad.benchmarks.timeline import Timing
from mmvad.errors import UserError, nearest_name
from mmvad.system.log import LOG

_SPLITS = {"training": "train", "trainval": "train", "testing": "test", "val": "test", "validation": "test"}
_SUFFIX = re.compile(r"\.(mp4|avi|mkv|mov|mpg|mpeg|ts|webm|wmv|flv|m4v|npy|npz|pt|pth|txt|csv|safetensors)$", re.I)
_SEPARATORS = re.compile(r"\s*[;|+,]\s*")


def read_own_videos(benchmark: Benchmark, folder: Path | None = None) -> dict[Split, list[Video]]:
    """The videos of both splits, in the tables' order; test videos with events and frame ground truth.

    Args:
        folder: from where the places in the benchmark's file are seen; the file's own folder if None.

    Raises UserError, naming file and line, for whatever is missing, malformed or contradictory.
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
    videos: dict[str, _Listed] = {}
    for table in definition.videos:
        for listed in reader.listed(table):
            _keep(videos, listed)
    _check_splits(benchmark, videos, root)
    return reader.with_events(videos)


@dataclass(frozen=True)
class _Listed:
    where: str
    video: Video


def _keep(videos: dict[str, _Listed], listed: _Listed) -> None:
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


def _check_splits(benchmark: Benchmark, videos: dict[str, _Listed], root: Path) -> None:
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


@dataclass(frozen=True)
class _Reader:
    benchmark: Benchmark
    definition: Definition
    root: Path

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

    def listed(self, table: Table) -> Iterator[_Listed]:
        path = self.place(table.file)
        if table.form != "table":
            yield from self._of_public_form(table, path)
            return
        said = {"split": table.split, "class": table.label}
        for record in read_records(table, path, ("video", *(name for name in ("class", "split") if not said[name]))):
            name = self._name(record)
            split = self._split(table, record)
            if table.label is not None:
                record = replace(record, fields={**record.fields, "class": class_told(table.label, name, record.where)})
            yield _Listed(record.where, Video(name, split, self._labels(record), timing=self._timing(record, name)))

    def _of_public_form(self, table: Table, path: Path) -> Iterator[_Listed]:
        if table.split is None:
            fix = "say `split: train` or `split: test` beside it, or videos: {train: ..., test: ...}"
            raise UserError(path, f"a list in the form of {table.form} says no split", fix=fix)
        if table.form == "xd_violence":
            records = read_records(table, path)
            labels = {
                self._name(r): xd_violence.parse_label(r.text("class") or "", r.where, self.benchmark) for r in records
            }
        elif table.form == "names":
            names = ((str(line), own_name(name)) for line, name in read_names(path, table.line))
            labels = {name: (self._class(class_told(table.label or "", name, where), where),) for where, name in names}
        else:
            labels = ucf_crime.read_split(path, self.benchmark)
        for name, keys in labels.items():
            yield _Listed(str(path), Video(name, table.split, keys, timing=self._timing(Record(str(path), {}), name)))

    def _name(self, record: Record) -> str:
        name = own_name(record.text("video") or "")
        if not name:
            raise UserError(record.where, "names no video", expected="a name in every line")
        return name

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
        found = {self._class(word, record.where) for word in words if word}
        keys = tuple(key for key in self.benchmark.class_keys if key in found)
        if not keys or (self.benchmark.normal in keys and len(keys) > 1):
            expected = f"{self.benchmark.normal} alone, or abnormal classes separated by ;"
            raise UserError(record.where, f"class {written!r}", expected=expected)
        return keys

    def _class(self, word: str, where: str) -> str:
        """The class of that key; letters' case does not count where it tells no two classes apart."""
        keys = self.benchmark.class_keys
        if word not in keys:
            alike = [key for key in keys if key.lower() == word.lower()]
            word = alike[0] if len(alike) == 1 else word
        self.benchmark.class_index(word, where)
        return word

    def _timing(self, record: Record, name: str) -> Timing:
        """Which frames the video's rows stand for."""
        fps = _number(record, "fps")
        if self.definition.frames == "rows":
            return Timing(fps=fps)
        frames = _number(record, "frames", whole=True)
        row = self.definition.row
        per_row = None
        if row.video is None:
            seconds = row.seconds or 0.0
            per_row = row.frames or seconds * (fps or self.definition.frames_per_second)
        return Timing(None if frames is None else int(frames), per_row, fps)

    def with_events(self, listed: dict[str, _Listed]) -> dict[Split, list[Video]]:
        """The videos by split, the test videos with their events."""
        events, lengths = self._events(listed, self.definition.events)
        further = {name: self._events(listed, spec)[0] for name, spec in self.definition.annotators.items()}
        videos: dict[Split, list[Video]] = {"train": [], "test": []}
        for entry in listed.values():
            video = entry.video
            if video.timing.frames is None and video.name in lengths and self.definition.frames == "raw":
                video = replace(video, timing=replace(video.timing, frames=lengths[video.name]))
            if self.definition.row.video is not None and video.timing.frames is None:
                fix = "add the column `frames`: a row stands for a share of the whole video"
                raise UserError(entry.where, f"frames of {video.name} are not said", fix=fix)
            own = tuple(events.get(video.name, ())) if video.split == "test" else ()
            self._check_video(entry, video, own)
            spans = _spans(own)
            seen = tuple((name, _spans(by_video.get(video.name, ()))) for name, by_video in further.items())
            seen = seen if video.split == "test" else ()
            videos[video.split].append(replace(video, events=own, intervals=spans, annotators=seen))
        return videos

    def _check_video(self, entry: _Listed, video: Video, events: Sequence[Event]) -> None:
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

    def _events(self, listed: dict[str, _Listed], spec: Events | None) -> tuple[dict[str, list[Event]], dict[str, int]]:
        """One annotator's events by video, in their files' order, and videos' frames where these files say them."""
        events: dict[str, list[Event]] = {}
        lengths: dict[str, int] = {}
        unlisted: list[str] = []
        for table in spec.tables if spec else ():
            assert spec is not None
            if table.form in FRAME_FORMS:
                self._take_frame_files(table, listed, events, lengths)
                continue
            path = self.place(table.file)
            if table.form != "table":
                self._take_public(table, path, listed, events)
                continue
            for record in read_records(table, path):
                name = self._name(record)
                if name not in listed:
                    unlisted.append(name)
                    continue
                frames = _number(record, "frames", whole=True)
                if frames is not None:
                    lengths[name] = int(frames)
                inner = nested(table, record)
                flat = [record] if record.text("start") is not None or record.text("end") is not None else []
                video, end = listed[name].video, lengths.get(name, listed[name].video.timing.frames)
                events.setdefault(name, []).extend(self._event(e, video, spec, end) for e in flat + inner)
        if unlisted:
            first = ", ".join(dict.fromkeys(unlisted[:3]))
            LOG.warning(
                f"note: events of {len(set(unlisted))} videos that no table lists are left out, such as {first}"
            )
        return events, lengths

    def _take_public(
        self, table: Table, path: Path, listed: dict[str, _Listed], events: dict[str, list[Event]]
    ) -> None:
        read = ucf_crime.read_events if table.form == "ucf_crime" else xd_violence.read_events
        for name, found in read(path, self.benchmark).items():
            if name in listed:
                events.setdefault(name, []).extend(found)

    def _take_frame_files(
        self, table: Table, listed: dict[str, _Listed], events: dict[str, list[Event]], lengths: dict[str, int]
    ) -> None:
        videos = [entry.video for entry in listed.values()]
        place = in_fold(table.file, self.benchmark.fold)
        for name, said in read_frame_files(self.root, table, place, videos, self.benchmark.normal).items():
            video = listed[name].video
            known = video.timing.frames
            last = said.frames or max((end for _, end in said.spans), default=0)
            if known is not None and (last > known or (said.frames is not None and last != known)):
                problem = f"says {last} frames of {name}, and the table of videos says {known}"
                raise UserError(said.path, problem, expected="one number of frames")
            if said.frames is not None:
                lengths[name] = said.frames
            label = self._event_class(None, video, str(said.path)) if said.spans else ""
            events.setdefault(name, []).extend(Event(label, *span) for span in said.spans)

    def _event(self, record: Record, video: Video, spec: Events, frames: int | None) -> Event:
        start, end = (_bound(record, name, spec, video, self.definition, frames) for name in ("start", "end"))
        end += spec.end == "inclusive"
        if not 0 <= start < end:
            problem = f"an event of {video.name} from {record.text('start')} to {record.text('end')}"
            raise UserError(record.where, problem, expected="0 <= start < end")
        if self.definition.frames == "raw" and frames is not None and end > frames:
            problem = f"an event of {video.name} ends at frame {end}, past the video's {frames}"
            fix = "mend the event or the video's frames, or say `unit` and `end` of events as they are"
            raise UserError(record.where, problem, fix=fix)
        return Event(self._event_class(record.text("class"), video, record.where), start, end)

    def _event_class(self, word: str | None, video: Video, where: str) -> str:
        if word is None or word.lower() in {"anomaly", "abnormal", "anomalous"} - set(self.benchmark.class_keys):
            if len(video.labels) > 1:
                problem = f"an event of {video.name} without a class, and the video has {len(video.labels)} classes"
                raise UserError(where, problem, fix="add the column `class` to the events")
            return video.labels[0]
        label = self._class(word, where)
        if label == self.benchmark.normal:
            raise UserError(where, f"an event of the normal class {label!r}", expected="a class of anomaly")
        return label


def _spans(events: Sequence[Event]) -> tuple[tuple[int, int], ...]:
    return tuple((event.start, event.end) for event in events)


def own_name(written: str) -> str:
    """The video that a field names: without folders (of either slash) and without a file's usual ending."""
    return _SUFFIX.sub("", re.split(r"[/\\]", written.strip())[-1])


def in_fold(written: str, fold: str | None) -> str:
    """A place with `{fold}` replaced."""
    return written if fold is None else written.replace("{fold}", fold)


def _number(record: Record, name: str, *, whole: bool = False) -> float | None:
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


def _bound(record: Record, name: str, spec: Events, video: Video, definition: Definition, frames: int | None) -> int:
    """Start or end of an event in frames."""
    text = record.text(name)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        expected = f"a number of {spec.unit}"
        raise UserError(record.where, f"{name} = {text!r}" if text else f"has no {name}", expected=expected)
    if spec.unit == "seconds":
        return round(value * (video.timing.fps or definition.frames_per_second))
    if spec.unit == "fractions":
        return _of_frames(record, name, value, video, frames)
    if value != int(value):
        fix = "say `unit: seconds` beside the events' file if these are seconds"
        raise UserError(record.where, f"{name} = {text} is no whole frame", expected="frames, as `unit` says", fix=fix)
    return int(value)


def _of_frames(record: Record, name: str, value: float, video: Video, frames: int | None) -> int:
    """The frame that a fraction of the video means."""
    if not 0 <= value <= 1:
        raise UserError(record.where, f"{name} = {value:g} is no fraction", expected="0 to 1, as `unit` says")
    if frames is None:
        problem = f"says fractions of {video.name}, whose frames are not said"
        raise UserError(record.where, problem, fix="add the column `frames` to the table of videos")
    return round(value * frames)
