"""XD-Violence: its label strings, its two annotation files.

`annotations.txt` holds pairs of frames (the frame ground truth), `annotations_multiclasses.txt` holds triples of class,
start and end (the events that mAP is computed on). They differ by some frames, some names end in `.mp4`, events
overlap, mix classes and end after the last snippet: all of that is kept as it stands.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from mmvad.benchmarks.benchmark import Benchmark, Event
from mmvad.benchmarks.lines import Line, frame_span, read_lines, video_name
from mmvad.benchmarks.registry import XD_VIOLENCE
from mmvad.errors import UserError

_Value = TypeVar("_Value")
_LABEL_SUFFIX = re.compile(r"_label_([^_]+)$")


INTERVALS_LINE = "a video, then pairs of start and end frames"
EVENTS_LINE = "a video, then triples of class, start and end frame"


def label_in_name(name: str) -> str | None:
    """The label string that a video's name ends with ("..._label_B2-G-0" gives "B2-G-0"), or None."""
    match = _LABEL_SUFFIX.search(name)
    return match.group(1) if match else None


def parse_label(label: str, where: object, benchmark: Benchmark = XD_VIOLENCE) -> tuple[str, ...]:
    """The class keys of a label string such as "B2-G-0", "G-B2-0", "B1" or "A", in the benchmark's order.

    Raises UserError, naming `where`, for an unknown class, for no class, and for the normal class beside others.
    """
    parts = [part for part in label.strip().split("-") if part != "0"]
    for part in parts:
        benchmark.class_index(part, where)
    keys = tuple(key for key in benchmark.class_keys if key in parts)
    if not keys or (benchmark.normal in keys and len(keys) > 1):
        raise UserError(where, f"label {label!r}", expected="A alone, or one to three classes such as B1-B2-0")
    return keys


def video_labels(name: str, label: str, where: object) -> tuple[str, ...]:
    """A video's class keys. Raises UserError where the list's label and the one in the name disagree."""
    keys = parse_label(label, where)
    suffix = label_in_name(name)
    if suffix is not None and parse_label(suffix, where) != keys:
        raise UserError(where, f"label {label!r} for the video {name}", expected=f"{suffix}, as the name says")
    return keys


def read_intervals(path: Path) -> dict[str, tuple[tuple[int, int], ...]]:
    """Frame ground truth by video from `annotations.txt`: name, then pairs of frames.

    Raises UserError, naming file and line, for a malformed number, half a pair or a video named twice.
    """
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    for line, fields in _records(path, 2, INTERVALS_LINE):
        pairs = zip(fields[1::2], fields[2::2])
        spans = tuple(frame_span(start, end, line, INTERVALS_LINE) for start, end in pairs)
        _keep(found, video_name(fields[0]), spans, line)
    return found


def read_events(path: Path, benchmark: Benchmark = XD_VIOLENCE) -> dict[str, tuple[Event, ...]]:
    """Events with their class by video from `annotations_multiclasses.txt`: name, then triples of class, start, end.

    Raises UserError, naming file and line, for an unknown class, a malformed number, half a triple or a repeated video.
    """
    found: dict[str, tuple[Event, ...]] = {}
    for line, fields in _records(path, 3, EVENTS_LINE):
        triples = zip(fields[1::3], fields[2::3], fields[3::3])
        _keep(found, video_name(fields[0]), tuple(_event(benchmark, *triple, line) for triple in triples), line)
    return found


def _event(benchmark: Benchmark, key: str, start: str, end: str, line: Line) -> Event:
    if benchmark.class_index(key, line) == 0:
        raise UserError(line, f"an event of the normal class {key!r}", expected="a class of anomaly, B1 to G")
    return Event(key, *frame_span(start, end, line, EVENTS_LINE))


def _records(path: Path, size: int, expected: str) -> list[tuple[Line, list[str]]]:
    records = [(line, line.text.split()) for line in read_lines(path)]
    for line, fields in records:
        if len(fields) == 1 or (len(fields) - 1) % size:
            raise UserError(line, f"{len(fields) - 1} fields after the name", expected=expected)
    return records


def _keep(found: dict[str, _Value], name: str, value: _Value, line: Line) -> None:
    if name in found:
        raise UserError(line, f"the video {name} a second time", expected="one line a video")
    found[name] = value
