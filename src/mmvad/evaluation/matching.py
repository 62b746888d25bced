"""Scores and ground truth put together: which videos are there, and whether an entry is a row's or a frame's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.errors import UserError, nearest_name
from mmvad.evaluation.arrays import names_in_words
from mmvad.evaluation.foreign_scores import ForeignScores, Per, VideoScores
from mmvad.evaluation.truth import Truth, TruthVideo
from mmvad.metrics.scored_video import ScoredVideo

_MOSTLY, _MANY, _FEW = 0.9, 0.5, 0.1
Pair = tuple[TruthVideo, int]
"""A test video, and how many entries its scores have."""


@dataclass(frozen=True)
class Matched:
    """Scored test videos.

    Attributes:
        per: what an entry of the scores stands for: a row (16 frames) or a frame.
        reason: how that is known, in words.
        missing: test videos without scores.
        notes: what a reader of the figures has to know.
    """

    videos: list[ScoredVideo]
    per: Per
    reason: str
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def match(scores: ForeignScores, truth: Truth, *, subset: bool = False, per: Per | None = None) -> Matched:
    """Every test video that has scores, with its truth.

    Args:
        subset: accept scores of a part of the test videos.
        per: what an entry stands for; told by the file or by the lengths where it is None.

    Raises UserError for videos that the test split does not have, for missing ones, and for lengths that fit neither
    rows nor frames.
    """
    known = truth.by_name
    _refuse_unknown(scores, truth)
    missing = tuple(video.name for video in truth.videos if video.name not in scores.videos)
    if missing and not subset:
        raise UserError(
            scores.path,
            f"has no scores of {len(missing)} of {len(known)} test videos: {names_in_words(missing)}",
            expected=f"all test videos of {truth.benchmark.title}",
            fix="score them too, or evaluate what is there with --subset: figures of a part are marked as such",
        )
    pairs = [(known[name], own.length) for name, own in scores.videos.items()]
    found, reason = _given(scores, per) or _told(pairs, scores)
    notes = (*_length_notes(pairs, found, scores), *_missing_note(missing, len(known)))
    videos = [_joined(known[name], own, found) for name, own in sorted(scores.videos.items())]
    return Matched(videos, found, reason, missing, notes)


def _refuse_unknown(scores: ForeignScores, truth: Truth) -> None:
    unknown = sorted(name for name in scores.videos if name not in truth.by_name)
    if not unknown:
        return
    trained = [name for name in unknown if name in truth.training]
    kind = f", {len(trained)} of them training videos" if trained else ""
    nearest = nearest_name(unknown[0], truth.by_name)
    raise UserError(
        scores.path,
        f"{len(unknown)} videos are not in the test split{kind}: {names_in_words(unknown)}",
        expected=f"test videos of {truth.benchmark.title}, as {truth.source} has them",
        nearest=f"{nearest} for {unknown[0]}" if nearest else None,
    )


def _given(scores: ForeignScores, per: Per | None) -> tuple[Per, str] | None:
    if per:
        return per, "as --per says"
    return (scores.per, f"as the columns of {scores.path.name} say") if scores.per else None


def _told(pairs: Sequence[Pair], scores: ForeignScores) -> tuple[Per, str]:
    """A row or a frame, by the videos' lengths where these are known, else by where their events end."""
    with_length = [pair for pair in pairs if pair[0].rows is not None or pair[0].frames is not None]
    if with_length:
        as_rows = _share(with_length, _fits_rows)
        as_frames = _share(with_length, _fits_frames)
        if as_rows != as_frames and max(as_rows, as_frames) >= _MOSTLY:
            return ("row" if as_rows > as_frames else "frame"), "told by the videos' lengths"
        if as_rows >= _MOSTLY and all(video.timing.row_frames == 1 for video, _ in with_length):
            return "row", "a row is a frame"
    with_events = [pair for pair in pairs if pair[0].intervals]
    if not with_length and with_events:
        # Scores of frames reach the last event, but for annotations that pass the video's end (71 of XD-Violence's 500
        # abnormal videos); scores of rows do so only where all is over in the first sixteenth of the video.
        reached = _share(with_events, lambda video, n: max(end for _, end in video.intervals) <= n)
        if reached >= _MANY or reached <= _FEW:
            return ("frame" if reached >= _MANY else "row"), "told by where the events end"
    video, n = pairs[0]
    known = f" ({video.rows or '?'} rows, {video.frames or '?'} frames)" if with_length else ""
    raise UserError(
        scores.path,
        f"{video.name} has {n} scores{known}: a score a row or a score a frame?",
        expected="as many scores as rows, or as frames, in nearly every video",
        fix="say which: --per row or --per frame",
    )


def _share(pairs: Sequence[Pair], fits: Callable[[TruthVideo, int], bool]) -> float:
    return sum(fits(video, n) for video, n in pairs) / len(pairs)


def _fits_rows(video: TruthVideo, entries: int) -> bool:
    """As many entries as rows, give or take the last one: extractors differ in what they do with a rest."""
    rows = _rows(video)
    return rows is None or abs(entries - rows) <= 1


def _fits_frames(video: TruthVideo, entries: int) -> bool:
    """As many entries as frames, give or take one row."""
    frames = _frames(video)
    return frames is not None and abs(entries - frames) <= SNIPPET_FRAMES


def _rows(video: TruthVideo) -> int | None:
    """Rows of the video; None where any number of them may share it, or where its length is not known."""
    shares = video.timing.frames is not None and video.timing.row_frames is None
    if video.rows is not None or shares or video.frames is None:
        return video.rows
    return int(video.frames / (video.timing.row_frames or SNIPPET_FRAMES))


def _frames(video: TruthVideo) -> int | None:
    return video.frames if video.frames is not None else video.row_frames


def _length_notes(pairs: Sequence[Pair], per: Per, scores: ForeignScores) -> list[str]:
    """Which videos are longer or shorter than in the truth. Raises UserError where that is more than a row."""
    fits, unit = (_fits_rows, "rows") if per == "row" else (_fits_frames, "frames")
    expected = {video.name: _rows(video) if per == "row" else _frames(video) for video, _ in pairs}
    wrong = [(v, n) for v, n in pairs if expected[v.name] is not None and not fits(v, n)]
    if wrong:
        video, n = wrong[0]
        raise UserError(
            scores.path,
            f"{len(wrong)} of {len(pairs)} videos have another number of {unit}: {video.name} has {n}",
            expected=f"{expected[video.name]}, give or take one row",
            fix="look whether the scores are of these videos, and what an entry is: --per row or --per frame",
        )
    exact = [(v, n) for v, n in pairs if per == "frame" or v.rows is not None]  # a rest may be a row or none
    other = [(v.name, n) for v, n in exact if expected[v.name] not in {None, n}]
    if not other:
        return []
    name, n = other[0]
    some = f"{len(other)} of {len(pairs)} videos have other {unit} than here, by one row at most"
    return [f"{some} ({name}: {n}, here {expected[name]})"]


def _missing_note(missing: Sequence[str], wanted: int) -> list[str]:
    if not missing:
        return []
    return [f"{wanted - len(missing)} of {wanted} test videos; without {names_in_words(missing)}"]


def _joined(video: TruthVideo, own: VideoScores, per: Per) -> ScoredVideo:
    edges = np.arange(own.length + 1, dtype=np.int64) if per == "frame" else video.timing.edges(own.length)
    outputs = own.coarse, own.classes, own.combined
    return ScoredVideo(
        video.name,
        video.labels,
        video.events,
        video.intervals,
        *outputs,
        edges=edges,
        fps=video.timing.fps,
        annotators=video.annotators,
    )
