"""Records of a user's own tables: CSV, TSV, JSON lines and JSON, with the usual names of columns."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvad.benchmarks.definition import Table
from mmvad.benchmarks.lines import read_text
from mmvad.errors import UserError, nearest_name

USUAL: Mapping[str, tuple[str, ...]] = {
    "video": ("video", "video_name", "videoname", "name", "video_id", "id", "path", "filename", "file_name", "file"),
    "split": ("split", "subset", "set", "partition", "phase"),
    "class": ("class", "classes", "label", "labels", "category", "class_name", "anomaly_class", "event"),
    "frames": ("frames", "num_frames", "n_frames", "frame_count", "nb_frames", "total_frames", "length"),
    "fps": ("fps", "frame_rate", "framerate", "frames_per_second"),
    "start": ("start", "start_frame", "begin", "start_time", "t_start", "from", "onset", "start_sec"),
    "end": ("end", "end_frame", "stop", "end_time", "t_end", "to", "offset", "end_sec"),
    "events": ("events", "anomalous", "anomalies", "annotations", "segments", "intervals", "temporal_annotations"),
}
"""Our names of columns and keys, and what files call them; letters' case and blanks around them do not count."""
_PAIR = ("segment", "interval", "span", "timestamps", "timestamp", "frames", "time")
"""Keys of an event under which start and end stand as a pair."""


@dataclass(frozen=True)
class Record:
    """One row of a table or one object of a JSON file: the fields that we know, by our names, and where it stands."""

    where: str
    fields: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        """The field as text without blanks around it; None where it is empty or not there."""
        value = self.fields.get(name)
        return None if value is None or not str(value).strip() else str(value).strip()


def read_records(table: Table, path: Path, needed: Sequence[str] = ("video",)) -> list[Record]:
    """The records of a file, in its order.

    Args:
        needed: fields that the first record must have.

    Raises UserError, naming file and line, for what cannot be read and for a column that is not there.
    """
    reader = {".json": _json_objects, ".jsonl": _json_lines, ".ndjson": _json_lines}.get(path.suffix.lower(), _rows)
    found = [Record(where, _known(table, raw)) for where, raw in reader(path)]
    raw_names = next((list(raw) for _, raw in reader(path)), [])
    if not found:
        raise UserError(path, "lists nothing", expected="a row a video or event below a row of column names")
    for name in needed:
        if not any(name in record.fields for record in found):
            raise _no_column(table, path, name, raw_names)
    return found


def _no_column(table: Table, path: Path, name: str, there: Sequence[str]) -> UserError:
    said = table.columns.get(name)  # type: ignore[call-overload]
    what = f"has no column {said!r}" if said else f"has no column for {name}"
    nearest = nearest_name((said or name).lower(), [column.strip().lower() for column in there])
    return UserError(
        path,
        f"{what}; it has {', '.join(there)}",
        expected=f"one of {', '.join(USUAL[name])}",
        nearest=nearest,
        fix=f"say which it is in the benchmark's file: {{file: {path.name}, columns: {{{name}: THE_COLUMN}}}}",
    )


def _known(table: Table, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that we know, by our names: those that the benchmark's file names, then the usual names."""
    by_name = {str(key).strip().lower(): value for key, value in raw.items() if key is not None}
    fields: dict[str, Any] = {}
    for name, usual in USUAL.items():
        said = table.columns.get(name)  # type: ignore[call-overload]
        keys = (said.strip().lower(),) if said else usual
        key = next((key for key in keys if key in by_name), None)
        if key is not None:
            fields[name] = by_name[key]
    return fields | _pair(by_name, fields)


def _pair(by_name: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Start and end of an event that has them as a pair, `segment: [3.5, 9]`."""
    if "start" in fields and "end" in fields:
        return {}
    pair = next((v for k in _PAIR if isinstance(v := by_name.get(k), list) and len(v) == 2), None)
    return {} if pair is None else {"start": pair[0], "end": pair[1]}


def nested(table: Table, record: Record) -> list[Record]:
    """The events inside of a record: objects, or pairs of start and end."""
    inside = record.fields.get("events")
    if inside is None or inside == "":
        return []
    if not isinstance(inside, list):
        raise UserError(record.where, f"events = {inside!r}", expected="a list of events, each with start and end")
    events = []
    for position, event in enumerate(inside):
        where = f"{record.where}, event {position + 1}"
        if isinstance(event, list) and len(event) == 2:
            event = {"start": event[0], "end": event[1]}
        if not isinstance(event, dict):
            raise UserError(where, f"{event!r}", expected="an object with start and end, or [start, end]")
        events.append(Record(where, _known(table, event)))
    return events


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    lines = read_text(path).splitlines()
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(",\t;", key=first.count)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    names: list[str] = []
    last = 0
    try:
        for row in reader:
            begins, last = last + 1, reader.line_num
            if not any(field.strip() for field in row):
                continue
            if not names:
                names = row
                continue
            where = f"{path}, line {begins}"
            if any(field.strip() for field in row[len(names) :]):
                raise UserError(where, f"{len(row)} fields", expected=f"{len(names)}: {first}")
            yield where, dict(zip(names, row, strict=False))
    except csv.Error as error:
        expected = 'both quotes of every "quoted field"'
        raise UserError(f"{path}, line {last + 1}", f"is no table: {error}", expected=expected) from None


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                content = _json(line)
            except ValueError as error:
                raise UserError(where, f"is no JSON: {error}", expected="an object a line") from None
            yield where, _object(content, where)


def _json_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list, of the one list or mapping in an object, or of a mapping from videos to objects."""
    try:
        content = _json(read_text(path))
    except ValueError as error:
        raise UserError(path, f"is no JSON: {error}", expected="a list of videos or events") from None
    if isinstance(content, dict):
        inside = [value for value in content.values() if isinstance(value, list | dict)]
        if len(inside) == 1 and len(content) < 5 and not _is_one_video(inside[0]):
            content = inside[0]
    if isinstance(content, dict):
        for name, value in content.items():
            yield f"{path}, {name}", {"video": name, **_object(value, f"{path}, {name}")}
        return
    if not isinstance(content, list):
        raise UserError(path, f"holds {content!r}", expected="a list of videos or events")
    for position, value in enumerate(content):
        where = f"{path}, object {position + 1}"
        yield where, _object(value, where)


def _is_one_video(inside: list[Any] | dict[str, Any]) -> bool:
    """Whether what stands below an object's only key is a video of that name, and not a list or mapping of many."""
    if isinstance(inside, list):
        return bool(inside) and not any(isinstance(value, dict) for value in inside)
    flat = bool(inside) and not any(isinstance(value, dict | list) for value in inside.values())
    return flat or any(key.strip().lower() in names for key in inside for names in USUAL.values())


def _json(text: str) -> Any:
    """JSON in which a key that stands twice is a ValueError: the second would hide the first."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("too many brackets inside of one another") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return found


def _object(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, list):
        return {"events": value}
    if not isinstance(value, dict):
        raise UserError(where, f"{value!r}", expected='an object, such as {"video": ..., "class": ...}')
    return value
