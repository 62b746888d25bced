"""The videos of a benchmark's split, with labels, events and frame ground truth, from its own list files.

A split is listed in the benchmark's own file or in a CSV: `video,label`, or `path,label` with one row a crop as the
public feature releases have it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from mmvad.benchmarks import ucf_crime, xd_violence
from mmvad.benchmarks.benchmark import Benchmark, Event, Split, Video
from mmvad.benchmarks.lines import Line, read_text, video_name
from mmvad.benchmarks.own_lists import read_own_videos
from mmvad.errors import UserError, nearest_name

FOLDERS = (".", "annotations", "list", "lists")
"""Where lists and annotations are looked for below the folder that was named."""

SPLIT_FILES: dict[str, dict[Split, tuple[str, ...]]] = {
    "ucf_crime": {
        "train": ("Anomaly_Train.txt", "ucf_train.csv", "ucf_CLIP_rgb.csv", "train_videos.csv"),
        "test": ("Anomaly_Test.txt", "ucf_test.csv", "ucf_CLIP_rgbtest.csv", "test_videos.csv"),
    },
    "xd_violence": {
        "train": ("train_videos.csv", "xd_train.csv", "xd_CLIP_rgb.csv"),
        "test": ("test_videos.csv", "xd_test.csv", "xd_CLIP_rgbtest.csv"),
    },
}
UCF_ANNOTATIONS = ("Temporal_Anomaly_Annotation.txt", "Temporal_Anomaly_Annotation_for_Testing_Videos.txt")
XD_INTERVALS = ("annotations.txt",)
XD_EVENTS = ("annotations_multiclasses.txt",)

Labels = dict[str, tuple[str, ...]]
Intervals = tuple[tuple[int, int], ...]


def read_videos(benchmark: Benchmark, lists: Path | None) -> dict[Split, list[Video]]:
    """The videos of both splits, in the lists' order, the test videos with events and intervals.

    `lists` is the folder of the list and annotation files, or one that holds them in `annotations/`, `list/` or
    `lists/`. Raises UserError, naming file and line, for whatever is missing, malformed or contradictory.
    """
    if benchmark.own:
        return read_own_videos(benchmark, lists)
    if benchmark.name not in SPLIT_FILES:
        raise UserError(
            benchmark.name, "this benchmark has no list files: it is made", expected="ucf_crime, xd_violence"
        )
    if lists is None:
        raise UserError("--lists", f"says not where the lists of {benchmark.title} are", expected="their folder")
    labels = {split: read_labels(benchmark, split, lists) for split in get_args(Split)}
    both = next((name for name in labels["test"] if name in labels["train"]), None)
    if both:
        raise UserError(lists, f"the video {both} is in the training and in the test list", expected="one of the two")
    events, intervals = _read_annotations(benchmark, lists, labels["test"])
    return {
        "train": [Video(name, "train", keys) for name, keys in labels["train"].items()],
        "test": [Video(name, "test", keys, events[name], intervals[name]) for name, keys in labels["test"].items()],
    }


def read_labels(benchmark: Benchmark, split: Split, lists: Path) -> Labels:
    """Class keys by video of one split, in the list's order. Raises UserError as `read_videos` does."""
    path = find_file(lists, SPLIT_FILES[benchmark.name][split], f"the {split} list of {benchmark.title}")
    labels = ucf_crime.read_split(path) if path.suffix == ".txt" else read_table(benchmark, path)
    if not labels:
        raise UserError(path, "lists no video", expected=f"the {split} videos of {benchmark.title}")
    return labels


def find_file(folder: Path, names: Sequence[str], what: str) -> Path:
    """The first of the files that is there. Raises UserError, with all the places that were looked at."""
    candidates = [folder / sub / name for sub in FOLDERS for name in names]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise UserError(
            folder,
            f"{what} is missing",
            expected=f"{' or '.join(names)}, there or in {', '.join(f'{sub}/' for sub in FOLDERS[1:])}",
            fix="the file comes with the data set; name the folder that holds it with --lists DIR",
        )
    return found


def read_table(benchmark: Benchmark, path: Path) -> Labels:
    """Class keys by video from a CSV with the columns `video,label` or `path,label` (one row a crop)."""
    rows = csv.reader(read_text(path).splitlines())
    header = [column.strip() for column in next(rows, [])]
    if len(header) != 2 or header[0] not in ("video", "path") or header[1] != "label":
        nearest = nearest_name(",".join(header), ("video,label", "path,label"))
        raise UserError(f"{path}, line 1", f"columns {header}", expected="video,label or path,label", nearest=nearest)
    found: Labels = {}
    for row in rows:
        if row:
            _add_row(benchmark, found, row, header[0], Line(path, rows.line_num, ",".join(row)))
    return found


def _add_row(benchmark: Benchmark, found: Labels, row: list[str], column: str, line: Line) -> None:
    if len(row) != 2 or not row[0].strip():
        raise UserError(line, f"{line.text!r}", expected=f"{column},label")
    name, keys = _name(row[0], column), _parse_label(benchmark, row, column, line)
    if name in found and (column == "video" or found[name] != keys):
        before = "-".join(found[name])
        raise UserError(line, f"the video {name} a second time, before with {before}", expected="one label a video")
    found[name] = keys


def _name(field: str, column: str) -> str:
    name = video_name(field)
    return re.sub(r"__\d+$", "", name.removesuffix(".npy")) if column == "path" else name


def _parse_label(benchmark: Benchmark, row: list[str], column: str, line: Line) -> tuple[str, ...]:
    if benchmark.name == "xd_violence":
        return xd_violence.video_labels(_name(row[0], column), row[1], line)
    return (ucf_crime.class_of_folder(row[1].strip(), line),)


def _read_annotations(
    benchmark: Benchmark, lists: Path, test: Labels
) -> tuple[dict[str, tuple[Event, ...]], dict[str, Intervals]]:
    what = f"the annotation of {benchmark.title}'s test videos"
    if benchmark.name == "ucf_crime":
        path = find_file(lists, UCF_ANNOTATIONS, what)
        events = ucf_crime.read_events(path)
        intervals = {name: tuple((event.start, event.end) for event in events[name]) for name in events}
    else:
        path, events_path = find_file(lists, XD_INTERVALS, what), find_file(lists, XD_EVENTS, what)
        intervals, events = xd_violence.read_intervals(path), xd_violence.read_events(events_path)
        _check_annotated(benchmark, events_path, events, test)
    _check_annotated(benchmark, path, intervals, test)
    return {name: events.get(name, ()) for name in test}, {name: intervals.get(name, ()) for name in test}


def _check_annotated(benchmark: Benchmark, path: Path, annotated: Mapping[str, Sequence[object]], test: Labels) -> None:
    """Every annotated video is a test video, and exactly the abnormal ones have events.

    The class of an event may differ from its video's label: in one video of XD-Violence it does.
    """
    for name, events in annotated.items():
        if name not in test:
            raise UserError(
                path,
                f"annotates the video {name}, which is not in the test list",
                expected=f"test videos of {benchmark.title} only",
                nearest=nearest_name(name, test),
                fix="take list and annotation from the same release, or cut both to the same videos",
            )
        if events and test[name] == (benchmark.normal,):
            raise UserError(path, f"has an event in {name}, which the list calls normal", expected="no event there")
    bare = next((name for name, keys in test.items() if keys != (benchmark.normal,) and not annotated.get(name)), None)
    if bare is not None:
        raise UserError(path, f"has no event for {bare}", expected="an event in every abnormal test video")
