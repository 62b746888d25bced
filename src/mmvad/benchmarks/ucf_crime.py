"""UCF-Crime: its split lists (`folder/video.mp4`), its annotation file.

`Temporal_Anomaly_Annotation.txt` has one line a test video: name, class, then two pairs of frames, -1 for absent, with
two spaces between the fields.
"""

from __future__ import annotations

import re
from pathlib import Path

from mmvad.benchmarks.benchmark import Benchmark, Event
from mmvad.benchmarks.lines import Line, frame_number, frame_span, read_lines, video_name
from mmvad.benchmarks.registry import UCF_CRIME
from mmvad.errors import UserError

_NORMAL = re.compile(r"(training_|testing_)?normal([_ ].*)?", re.IGNORECASE)


EVENTS_LINE = "name, class, start, end, start, end (-1: absent)"


def class_of_folder(folder: str, where: object, benchmark: Benchmark = UCF_CRIME) -> str:
    """The class key of a class folder; both `..._Normal_Videos_Anomaly` folders are the normal class.

    Raises UserError, naming `where`, for an unknown folder.
    """
    key = benchmark.normal if _NORMAL.fullmatch(folder) else folder
    benchmark.class_index(key, where)
    return key


def read_split(path: Path, benchmark: Benchmark = UCF_CRIME) -> dict[str, tuple[str, ...]]:
    """Labels by video from a split list, one `folder/video.mp4` a line. Raises UserError naming file and line."""
    found: dict[str, tuple[str, ...]] = {}
    for line in read_lines(path):
        folder, slash, file = line.text.replace("\\", "/").rpartition("/")
        if not slash or not file:
            raise UserError(line, f"{line.text!r}", expected="folder/video.mp4, such as Abuse/Abuse001_x264.mp4")
        name = video_name(file)
        if name in found:
            raise UserError(line, f"the video {name} a second time", expected="one line a video")
        found[name] = (class_of_folder(folder.split("/")[-1], line, benchmark),)
    return found


def read_events(path: Path, benchmark: Benchmark = UCF_CRIME) -> dict[str, tuple[Event, ...]]:
    """Events by test video, none for a normal one. Raises UserError, naming file and line, for a malformed line."""
    found: dict[str, tuple[Event, ...]] = {}
    for line in read_lines(path):
        fields = line.text.split()
        if len(fields) != 6:
            raise UserError(line, f"{len(fields)} fields", expected=EVENTS_LINE)
        name = video_name(fields[0])
        if name in found:
            raise UserError(line, f"the video {name} a second time", expected="one line a video")
        found[name] = _events(benchmark, fields[1], fields[2:], line)
    return found


def _events(benchmark: Benchmark, key: str, frames: list[str], line: Line) -> tuple[Event, ...]:
    benchmark.class_index(key, line)
    pairs = [(frames[0], frames[1]), (frames[2], frames[3])]
    # absent is -1 twice: half a pair is a mistake that frame_span reports
    present = [pair for pair in pairs if not all(frame_number(frame, line, EVENTS_LINE) == -1 for frame in pair)]
    if present and key == benchmark.normal:
        raise UserError(line, f"an event of the normal class {key!r}", expected="-1 in all four places")
    return tuple(Event(key, *frame_span(start, end, line, EVENTS_LINE)) for start, end in present)
