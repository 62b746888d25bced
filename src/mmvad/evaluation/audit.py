"""A foreign frame array held against the annotations: length, order of videos, and where they differ."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mmvad.benchmarks.timeline import SNIPPET_FRAMES, frame_truth
from mmvad.errors import UserError, nearest_name
from mmvad.evaluation.arrays import Arrays, cut, end_to_end, known_name, read_arrays
from mmvad.evaluation.known_truths import KNOWN, KnownTruth, recognised
from mmvad.evaluation.truth import Truth, TruthVideo

LengthOf = Callable[[TruthVideo], int | None]
Spans = tuple[tuple[int, int], ...]


def _whole_rows(video: TruthVideo, *, shift: int) -> int | None:
    return None if video.frames is None else (video.frames + shift) // SNIPPET_FRAMES * SNIPPET_FRAMES


LENGTHS: Mapping[str, LengthOf] = {
    "the frames of its rows of features": lambda v: v.row_frames,
    "the frames of the files": lambda v: v.frames,
    "the frames of the files, cut to whole rows of 16": lambda v: _whole_rows(v, shift=0),
    "the frames of the files, filled up to whole rows of 16": lambda v: _whole_rows(v, shift=15),
}
"""How public code comes to the frames of a video."""
ORDERS: Mapping[str, Callable[[TruthVideo], tuple]] = {
    "as in the list": lambda v: (),
    "by name": lambda v: (v.name,),
    "abnormal ones first": lambda v: (not v.intervals,),
    "abnormal ones first, by name": lambda v: (not v.intervals, v.name),
    "normal ones first": lambda v: (bool(v.intervals),),
    "normal ones first, by name": lambda v: (bool(v.intervals), v.name),
}
LAST_FRAME_BELONGS = "an event's last frame belongs to it"
READINGS: Mapping[str, Callable[[TruthVideo], Spans]] = {
    "an event ends before its last frame": lambda v: v.intervals,
    LAST_FRAME_BELONGS: lambda v: tuple((s, e + 1) for s, e in v.intervals),
    "frames are counted from 1, the last one belongs to the event": lambda v: tuple((s - 1, e) for s, e in v.intervals),
    "the events with their classes": lambda v: tuple((e.start, e.end) for e in v.events),
}
"""How an annotation becomes frames; the first one is ours."""


@dataclass(frozen=True)
class Stretch:
    """Frames that differ, end-exclusive: abnormal in the array alone, or by the annotations alone."""

    start: int
    end: int
    in_array: bool


@dataclass(frozen=True)
class VideoAudit:
    """One video: frames in the array, frames expected by the rule (None: not known), and where they differ."""

    name: str
    frames: int
    expected: int | None
    stretches: tuple[Stretch, ...]

    @property
    def differing(self) -> int:
        return sum(stretch.end - stretch.start for stretch in self.stretches)

    @property
    def equal(self) -> bool:
        return not self.stretches and self.expected in {None, self.frames}


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        frames, abnormal: of the array.
        lengths, order: the key of LENGTHS that its videos' lengths follow, of ORDERS their order; None where none does.
        reading, least: the key of READINGS that differs least, and in how many frames.
        videos: those of the array that the test set has, in the array's order.
        missing: test videos that it lacks.
        unknown: names in it that the test set has not.
    """

    frames: int
    abnormal: int
    lengths: str | None
    order: str | None
    reading: str
    least: int
    videos: tuple[VideoAudit, ...]
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def differing(self) -> int:
        return sum(video.differing for video in self.videos)

    @property
    def equal(self) -> bool:
        return not self.missing and not self.unknown and all(video.equal for video in self.videos)


def _rules(truth: Truth) -> dict[str, LengthOf]:
    """LENGTHS, and those of known arrays of the benchmark that no rule gives."""
    known = [known for known in KNOWN if known.benchmark == truth.benchmark.name and known.one_row_less]
    return {**LENGTHS, **{array.source: partial(_rows_of, array) for array in known}}


def _rows_of(known: KnownTruth, video: TruthVideo) -> int | None:
    return None if video.rows is None else SNIPPET_FRAMES * (video.rows - (video.name in known.one_row_less))


Named = list[tuple[str, np.ndarray]]


def audit(path: Path, truth: Truth) -> Audit:
    """The array of a file or folder, held against the test set.

    Raises UserError for what is no frame array, and for an array of all videos end to end whose length no rule gives.
    """
    arrays = read_arrays(path)
    joined = end_to_end(arrays, path)
    if joined is None:
        return _of_videos([(known_name(key, truth.by_name), _binary(path, key, a)) for key, a in arrays.items()], truth)
    array = _binary(path, "", _only(joined.arrays, path))
    if joined.names is not None and joined.lengths is not None:
        names = [known_name(name, truth.by_name) for name in joined.names]
        return _of_videos(list(zip(names, cut(array, joined.lengths, path))), truth)
    return _of_all(array, truth, path)


def frames_by_video(path: Path, truth: Truth) -> dict[str, np.ndarray]:
    """The frames of the test videos that a file or folder has an array for, bool [frames] by name.

    Raises UserError as `audit` does, and for an array of other videos.
    """
    found = audit(path, truth)
    if not found.videos:
        other = found.unknown[0]
        problem = f"is of none of the {len(truth.videos)} test videos: it has {other}"
        expected, nearest = f"names such as {truth.videos[0].name}", nearest_name(other, truth.by_name)
        raise UserError(path, problem, expected=expected, nearest=nearest)
    return {video.name: _as_in_array(truth.by_name[video.name], video) for video in found.videos}


def _as_in_array(video: TruthVideo, audited: VideoAudit) -> np.ndarray:
    """The array of a video, from the annotations and where it differs from them."""
    frames = frame_truth(video.intervals, audited.frames)
    for stretch in audited.stretches:
        frames[stretch.start : stretch.end] = stretch.in_array
    return frames


def _only(arrays: Arrays, path: Path) -> np.ndarray:
    if len(arrays) != 1:
        raise UserError(path, f"holds {len(arrays)} arrays beside the names", expected="one frame array")
    return next(iter(arrays.values()))


def _binary(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    """The array as bool [frames]. Raises UserError for other values than 0 and 1."""
    other = ~np.isin(array, (0, 1))
    if array.ndim != 1 or other.any():
        values = f", {other.sum()} values such as {array[other][0]:g}" if other.any() else ""
        where = f"{path}, {key}" if key else path
        raise UserError(where, f"shape {list(array.shape)}{values}", expected="one 0 or 1 a frame, [frames]")
    return array.astype(bool)


def _of_videos(found: Named, truth: Truth) -> Audit:
    """An array a video: the rule of lengths is that which most of them follow."""
    unknown = tuple(name for name, _ in found if name not in truth.by_name)
    known = [(truth.by_name[name], array) for name, array in found if name in truth.by_name]
    follow = {words: sum(of(video) == len(a) for video, a in known) for words, of in _rules(truth).items()}
    best = max(follow, key=lambda words: follow[words])
    rule = (best, _rules(truth)[best]) if known and follow[best] * 2 > len(known) else None
    names = {name for name, _ in found}
    missing = tuple(video.name for video in truth.videos if video.name not in names)
    frames, abnormal = sum(len(a) for _, a in found), sum(int(a.sum()) for _, a in found)
    return _audited(known, rule, None, (frames, abnormal), missing, unknown)


def _of_all(array: np.ndarray, truth: Truth, path: Path) -> Audit:
    """One array of all videos: of the rules and orders that give its length that which differs least."""
    candidates = list(_candidates(len(array), truth))
    if not candidates:
        raise _no_rule(len(array), truth, path)
    rules = _rules(truth)
    placed = [(rule, order, videos, _split(array, videos, rules[rule])) for rule, order, videos in candidates]
    rule, order, videos, parts = min(placed, key=lambda c: _differing(c[2], c[3], _ours))
    names = {video.name for video in videos}
    missing = tuple(video.name for video in truth.videos if video.name not in names)
    counts = len(array), int(array.sum())
    return _audited(list(zip(videos, parts)), (rule, rules[rule]), order, counts, missing, ())


def _candidates(frames: int, truth: Truth) -> list[tuple[str, str, list[TruthVideo]]]:
    """Rules, orders and videos that give so many frames: all videos, or else all but one, as some lists have it."""
    lengths = {words: [of(v) for v in truth.videos] for words, of in _rules(truth).items()}
    known = {words: [n for n in found if n is not None] for words, found in lengths.items() if None not in found}
    whole = [(words, list(truth.videos)) for words, found in known.items() if sum(found) == frames]
    without = [
        (words, [v for v in truth.videos if v is not left_out])
        for words, found in known.items()
        for left_out, n in zip(truth.videos, found)
        if sum(found) - n == frames
    ]
    orders = ORDERS.items()
    return [(w, o, sorted(videos, key=key)) for (w, videos), (o, key) in itertools.product(whole or without, orders)]


def _split(array: np.ndarray, videos: Sequence[TruthVideo], length: LengthOf) -> list[np.ndarray]:
    return np.split(array, np.cumsum([length(video) or 0 for video in videos])[:-1])


def _no_rule(frames: int, truth: Truth, path: Path) -> UserError:
    known = recognised(truth.benchmark.name, frames)
    so_many = f"{frames:,} frames end to end" + (f" (as many as {known})" if known else "")
    lengths = {words: [of(v) for v in truth.videos] for words, of in _rules(truth).items()}
    sums = {words: sum(n for n in found if n is not None) for words, found in lengths.items() if None not in found}
    if not sums:
        fix = "give the videos' lengths: --bank BANK, or --lengths CSV with the columns video and frames or snippets"
        problem = f"{so_many}, and nothing says where a video ends"
        return UserError(path, problem, expected="lengths, or one array a video", fix=fix)
    expected = "; ".join(f"{total:,} ({words})" for words, total in sums.items())
    problem = f"{so_many}, which no rule gives"
    return UserError(path, problem, expected=f"{expected}; or one video less", fix="give one array a video")


def _audited(
    found: Sequence[tuple[TruthVideo, np.ndarray]],
    rule: tuple[str, LengthOf] | None,
    order: str | None,
    counts: tuple[int, int],
    missing: tuple[str, ...],
    unknown: tuple[str, ...],
) -> Audit:
    videos, parts = [video for video, _ in found], [part for _, part in found]
    totals = {words: _differing(videos, parts, reading) for words, reading in READINGS.items()}
    reading = min(totals, key=lambda words: totals[words])
    audits = tuple(
        VideoAudit(video.name, len(part), rule[1](video) if rule else None, _stretches(video, part))
        for video, part in found
    )
    return Audit(*counts, rule[0] if rule else None, order, reading, totals[reading], audits, missing, unknown)


def _ours(video: TruthVideo) -> Spans:
    return video.intervals


def _differing(
    videos: Sequence[TruthVideo], parts: Sequence[np.ndarray], reading: Callable[[TruthVideo], Spans]
) -> int:
    return sum(int((part != frame_truth(reading(video), len(part))).sum()) for video, part in zip(videos, parts))


def _stretches(video: TruthVideo, part: np.ndarray) -> tuple[Stretch, ...]:
    """The differing frames as stretches of one side."""
    side = part.astype(np.int8) - frame_truth(video.intervals, len(part)).astype(np.int8)
    borders = np.flatnonzero(np.diff(side, prepend=0, append=0))
    pairs = itertools.pairwise(borders.tolist())
    return tuple(Stretch(start, end, in_array=bool(side[start] > 0)) for start, end in pairs if side[start])
