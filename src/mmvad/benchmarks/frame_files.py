"""Annotations with a file for each video: masks (0 or 1 a frame) and tracks of objects."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

from mmvad.benchmarks.benchmark import Video
from mmvad.benchmarks.definition import Table
from mmvad.benchmarks.lines import Line, read_lines, read_text
from mmvad.errors import UserError, nearest_name

_MASK = "a 0 or 1 for every frame: an array [frames] in .npy, or numbers in .txt"
_TRACK = "number of an object, its first and its last frame"

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class FrameFile:
    """What one video's file says.

    Attributes:
        spans: stretches of abnormal frames, in order, end-exclusive, apart from each other.
        frames: of the video; None where the file does not say them.
    """

    path: Path
    spans: Spans
    frames: int | None = None


def read_frame_files(
    root: Path, table: Table, place: str, videos: Iterable[Video], normal: str
) -> dict[str, FrameFile]:
    """What the files of test videos say, by video. Normal videos need none.

    Args:
        place: the table's pattern, seen from `root`.
        normal: key of the normal class.

    Raises UserError, naming the file and its line, for what cannot be read; and once for all files that are missing.
    """
    read = read_mask if table.form == "masks" else read_tracks
    found: dict[str, FrameFile] = {}
    missing: list[str] = []
    for video in (video for video in videos if video.split == "test"):
        path = _file_of(root, place, video.name)
        if path is not None:
            found[video.name] = read(path)
        elif video.labels != (normal,):
            missing.append(video.name)
    if missing:
        raise _missing(root, table, place, missing)
    return found


def read_mask(path: Path) -> FrameFile:
    """The runs of ones in a mask. Raises UserError, naming the file, for what is none; nothing is unpickled."""
    import numpy as np  # here alone, so that a configuration, which knows the benchmarks, is read without it

    try:
        if path.suffix.lower() == ".npy":
            mask = np.load(path, allow_pickle=False)
        else:
            mask = np.array(read_text(path).split(), dtype=np.float64)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(path, f"cannot be read as a mask: {error}", expected=_MASK) from None
    if not isinstance(mask, np.ndarray) or mask.ndim != 1 or not mask.size or mask.dtype.kind not in "biuf":
        shape = list(mask.shape) if isinstance(mask, np.ndarray) else "of several arrays"
        raise UserError(path, f"is no mask, but an array {shape}", expected=_MASK)
    odd = mask[~np.isin(mask, (0, 1))]
    if odd.size:
        raise UserError(path, f"is no mask: it holds {odd[0]}", expected=_MASK)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    spans = tuple((int(start), int(end)) for start, end in zip(edges[::2], edges[1::2]))
    return FrameFile(path, spans, len(mask))


def read_tracks(path: Path) -> FrameFile:
    """Stretches in which there is at least one object. A line is: object, first frame, last frame (inclusive).

    Raises UserError, naming file and line, for a line of another form.
    """
    return FrameFile(path, _joined([_track(line) for line in read_lines(path)]))


def _track(line: Line) -> tuple[int, int]:
    try:
        _, first, last = (float(field) for field in re.split(r"[,\s]+", line.text.strip(", "))[:3])
    except ValueError:
        raise UserError(line, f"{line.text!r}", expected=_TRACK) from None
    if not (0 <= first <= last and first.is_integer() and last.is_integer()):
        raise UserError(
            line, f"an object from frame {first:g} to {last:g}", expected="whole frames, 0 <= first <= last"
        )
    return int(first), int(last) + 1


def _joined(spans: Sequence[tuple[int, int]]) -> Spans:
    """The spans with those that touch or overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _file_of(root: Path, place: str, video: str) -> Path | None:
    """The video's file; None where there is none. Raises UserError where there are several."""
    pattern = os.path.join(glob.escape(str(root)), place.replace("{video}", glob.escape(video)))
    found = [Path(path) for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path)]
    if len(found) > 1:
        raise UserError(found[0], f"and {found[1]} are two files of the video {video}", expected="one file a video")
    return found[0] if found else None


def _missing(root: Path, table: Table, place: str, missing: Sequence[str]) -> UserError:
    wanted = root / place.replace("{video}", missing[0])
    beside = [path.name for path in wanted.parent.iterdir()] if wanted.parent.is_dir() else []
    nearest = nearest_name(wanted.name, beside)
    several = f"{len(missing)} abnormal test videos have no file of {table.form}, such as {missing[0]}"
    return UserError(
        f"events: {place}",
        several if len(missing) > 1 else f"the abnormal test video {missing[0]} has no file of {table.form}",
        expected=str(wanted),
        nearest=str(wanted.with_name(nearest)) if nearest else None,
    )
