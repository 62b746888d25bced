"""The events of a user's benchmark, from tables, nested records, public lists or files of frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mmvad.benchmarks import ucf_crime, xd_violence
from mmvad.benchmarks.benchmark import Event, Video
from mmvad.benchmarks.definition import FRAME_FORMS, Definition, Events, Table
from mmvad.benchmarks.frame_files import read_frame_files
from mmvad.benchmarks.own_fields import Listed, OwnTables, in_fold, number
from mmvad.benchmarks.records import Record, nested, read_records
from mmvad.errors import UserError, nearest_name
from mmvad.system.log import LOG


@dataclass
class OwnEvents:
    """One annotator's events by video, in their files' order, and videos' frames where these files say them."""

    events: dict[str, list[Event]]
    lengths: dict[str, int]


def read_own_events(tables: OwnTables, listed: Mapping[str, Listed], spec: Events | None) -> OwnEvents:
    """Everything that an annotator's tables say of the listed videos; others are left out with a note.

    Raises UserError, naming file and line, for whatever is missing, malformed or contradictory.
    """
    found = OwnEvents({}, {})
    for table in spec.tables if spec else ():
        assert spec is not None
        if table.form in FRAME_FORMS:
            _take_frame_files(tables, table, listed, found)
        elif table.form != "table":
            _take_public(tables, table, listed, found)
        else:
            _take_records(tables, table, listed, spec, found)
    return found


def _take_records(
    tables: OwnTables, table: Table, listed: Mapping[str, Listed], spec: Events, found: OwnEvents
) -> None:
    unlisted: list[str] = []
    for record in read_records(table, tables.place(table.file)):
        with tables.faults.line():
            name = tables.name(record)
            if name in listed:
                _take_record(tables, table, record, listed[name].video, spec, found)
            else:
                unlisted.append(name)
    if unlisted:
        _note_unlisted(sorted(set(unlisted)), listed)


def _take_record(tables: OwnTables, table: Table, record: Record, video: Video, spec: Events, found: OwnEvents) -> None:
    frames = number(record, "frames", whole=True)
    if frames is not None:
        found.lengths[video.name] = int(frames)
    flat = [record] if record.text("start") is not None or record.text("end") is not None else []
    end = found.lengths.get(video.name, video.timing.frames)
    events = found.events.setdefault(video.name, [])
    for one in flat + nested(table, record):
        with tables.faults.line():
            events.append(_event(tables, one, video, spec, end))


def _note_unlisted(names: Sequence[str], listed: Iterable[str]) -> None:
    """Says that events are left out, and which listed video a name is like."""
    nearest = next((f" (did you mean {near}?)" for near in (nearest_name(names[0], listed),) if near), "")
    what = "events of 1 video" if len(names) == 1 else f"events of {len(names)} videos"
    such = f"such as {names[0]}" if len(names) > 1 else names[0]
    LOG.warning(f"note: {what} that no table lists are left out, {such}{nearest}")


def _take_public(tables: OwnTables, table: Table, listed: Mapping[str, Listed], found: OwnEvents) -> None:
    read = ucf_crime.read_events if table.form == "ucf_crime" else xd_violence.read_events
    for name, events in read(tables.place(table.file), tables.benchmark).items():
        if name in listed:
            found.events.setdefault(name, []).extend(events)


def _take_frame_files(tables: OwnTables, table: Table, listed: Mapping[str, Listed], found: OwnEvents) -> None:
    videos = [entry.video for entry in listed.values()]
    place = in_fold(table.file, tables.benchmark.fold)
    for name, said in read_frame_files(tables.root, table, place, videos, tables.benchmark.normal).items():
        video = listed[name].video
        known = video.timing.frames
        last = said.frames or max((end for _, end in said.spans), default=0)
        if known is not None and (last > known or (said.frames is not None and last != known)):
            problem = f"says {last} frames of {name}, and the table of videos says {known}"
            raise UserError(said.path, problem, expected="one number of frames")
        if said.frames is not None:
            found.lengths[name] = said.frames
        label = _event_class(tables, None, video, str(said.path)) if said.spans else ""
        found.events.setdefault(name, []).extend(Event(label, *span) for span in said.spans)


def _event(tables: OwnTables, record: Record, video: Video, spec: Events, frames: int | None) -> Event:
    start, end = (_bound(record, name, spec, video, tables.definition, frames) for name in ("start", "end"))
    end += spec.end == "inclusive"
    if not 0 <= start < end:
        problem = f"an event of {video.name} from {record.text('start')} to {record.text('end')}"
        raise UserError(record.where, problem, expected="0 <= start < end")
    if tables.definition.frames == "raw" and frames is not None and end > frames:
        problem = f"an event of {video.name} ends at frame {end}, past the video's {frames}"
        fix = "mend the event or the video's frames, or say `unit` and `end` of events as they are"
        raise UserError(record.where, problem, fix=fix)
    return Event(_event_class(tables, record.text("class"), video, record.where), start, end)


def _event_class(tables: OwnTables, word: str | None, video: Video, where: str) -> str:
    if word is None or word.lower() in {"anomaly", "abnormal", "anomalous"} - set(tables.benchmark.class_keys):
        if len(video.labels) > 1:
            problem = f"an event of {video.name} without a class, and the video has {len(video.labels)} classes"
            raise UserError(where, problem, fix="add the column `class` to the events")
        return video.labels[0]
    label = tables.class_key(word, where)
    if label == tables.benchmark.normal:
        raise UserError(where, f"an event of the normal class {label!r}", expected="a class of anomaly")
    return label


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
