"""What a bank says of its videos: the records of its index, how a video's features are packed, and the content hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmvad.bank.values import FLOATS, check_finite
from mmvad.benchmarks.benchmark import Annotators, Event, Split, Video
from mmvad.benchmarks.timeline import PUBLISHED, Timing
from mmvad.errors import UserError

FORMAT = 1
"""Raised when the layout of a bank changes."""


@dataclass(frozen=True)
class BankVideo:
    """One video of a bank: where its rows lie, and what is known of it.

    Crop `crops[i]` lies in the visual rows from visual_start + i * snippets on, `snippets` rows long; the sound in
    `snippets` rows from audio_start on, and audio_start is None for a video without sound.

    Attributes:
        labels: class keys of the video-level label.
        events: annotated events in frames, uncut (test split).
        intervals: frame ground truth in frames, end-exclusive, uncut (test split).
        digest: SHA-256 of its visual rows, then its audio rows.
        timing: which frames its rows stand for.
        annotators: what further annotators call abnormal (test split).
    """

    name: str
    labels: tuple[str, ...]
    snippets: int
    crops: tuple[int, ...]
    visual_start: int
    audio_start: int | None
    events: tuple[Event, ...]
    intervals: tuple[tuple[int, int], ...]
    digest: str = ""
    timing: Timing = PUBLISHED
    annotators: Annotators = ()

    @property
    def edges(self) -> np.ndarray | None:
        """Frames at which its rows begin, and the last one's end, int64 [snippets + 1]; None for 16 frames a row."""
        return self.timing.edges(self.snippets)


@dataclass(frozen=True)
class Rows:
    """The shape of a modality's rows, the same all over a bank."""

    width: int
    dtype: str


@dataclass(frozen=True)
class Packed:
    """A video's features as a bank holds them: visual [crops * snippets, d], crop after crop; audio [snippets, d_a]."""

    snippets: int
    crops: tuple[int, ...]
    visual: np.ndarray
    audio: np.ndarray | None
    digest: str


def pack(name: str, crops: Mapping[int, np.ndarray], audio: np.ndarray | None, dtype: str | None) -> Packed:
    """A video's features, packed, cast to `dtype` (their own if None) and hashed.

    Raises UserError, naming the video, if crops or sound disagree in length, if a number is not finite or does not fit.
    """
    numbers = tuple(sorted(crops))
    if not numbers:
        raise UserError(name, "no crop", expected="at least one crop [snippets, d]")
    blocks = [_cast(crops[k], dtype, f"{name}, crop {k}") for k in numbers]
    if len({block.shape for block in blocks}) > 1 or len({block.dtype for block in blocks}) > 1:
        found = ", ".join(f"crop {k}: {list(b.shape)} {b.dtype}" for k, b in zip(numbers, blocks))
        raise UserError(name, f"crops disagree ({found})", expected="equal shapes and dtypes")
    visual = np.concatenate(blocks)
    sound = None if audio is None else _cast(audio, dtype, f"{name}, audio")
    if sound is not None and len(sound) != len(blocks[0]):
        raise UserError(name, f"{len(sound)} rows of sound for {len(blocks[0])} snippets", expected="as many")
    return Packed(len(blocks[0]), numbers, visual, sound, rows_digest(visual, sound))


def _cast(rows: np.ndarray, dtype: str | None, where: str) -> np.ndarray:
    if rows.ndim != 2 or 0 in rows.shape or rows.dtype.name not in FLOATS:
        raise UserError(where, f"shape {list(rows.shape)}, dtype {rows.dtype}", expected="[snippets, d] of floats")
    check_finite(rows, where)
    target = np.dtype(dtype or rows.dtype.name).newbyteorder("<")
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(rows, dtype=target)
    if not np.isfinite(cast).all():
        problem = f"{np.abs(rows).max():g} does not fit {target.name}"
        raise UserError(where, problem, expected=f"at most {np.finfo(target).max:g}", fix="import without --dtype")
    return cast


def rows_digest(visual: np.ndarray, audio: np.ndarray | None) -> str:
    """SHA-256 of a video's rows, as hexadecimal."""
    digest = hashlib.sha256(np.ascontiguousarray(visual).data.cast("B"))
    if audio is not None:
        digest.update(np.ascontiguousarray(audio).data.cast("B"))
    return digest.hexdigest()


def content_hash(benchmark: str, visual: Rows, audio: Rows | None, splits: Mapping[Split, Sequence[BankVideo]]) -> str:
    """SHA-256 of a bank's content, as hexadecimal.

    It depends on features, dtypes, names, labels, events, intervals, crops and benchmark; not on paths, times or the
    order in which the videos came.
    """
    content: dict[str, Any] = {
        "benchmark": benchmark,
        "visual": [visual.width, visual.dtype],
        "audio": [audio.width, audio.dtype] if audio else None,
    }
    for split, videos in splits.items():
        content[split] = [_content(video) for video in sorted(videos, key=lambda video: video.name)]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _content(video: BankVideo) -> dict[str, Any]:
    record = to_record(video)
    del record["visual_start"]
    record["audio_start"] = video.audio_start is not None
    return record


def bank_video(video: Video, packed: Packed, visual_start: int, audio_start: int | None) -> BankVideo:
    """The index record of a video whose packed rows begin there."""
    start = None if packed.audio is None else audio_start
    return BankVideo(
        video.name,
        video.labels,
        packed.snippets,
        packed.crops,
        visual_start,
        start,
        video.events,
        video.intervals,
        packed.digest,
        video.timing,
        video.annotators,
    )


def to_record(video: BankVideo) -> dict[str, Any]:
    """The record as plain JSON values."""
    record = dict(video.__dict__)
    record["events"] = [[event.label, event.start, event.end] for event in video.events]
    timing, annotators = record.pop("timing").record(), record.pop("annotators")
    # banks of 16 frames a row, and of one annotator, stay as they always were
    return record | ({"timing": timing} if timing else {}) | ({"annotators": annotators} if annotators else {})


def from_record(record: dict[str, Any]) -> BankVideo:
    """The video of a plain JSON record. Raises KeyError, TypeError or ValueError for a malformed one."""
    return BankVideo(
        name=str(record["name"]),
        labels=tuple(record["labels"]),
        snippets=int(record["snippets"]),
        crops=tuple(int(k) for k in record["crops"]),
        visual_start=int(record["visual_start"]),
        audio_start=None if record["audio_start"] is None else int(record["audio_start"]),
        events=tuple(Event(label, int(start), int(end)) for label, start, end in record["events"]),
        intervals=tuple((int(start), int(end)) for start, end in record["intervals"]),
        digest=str(record["digest"]),
        timing=Timing(**record.get("timing", {})),
        annotators=read_annotators(record.get("annotators", ())),
    )


def read_annotators(record: Any) -> Annotators:
    """The annotators of a plain JSON record. Raises TypeError or ValueError for a malformed one."""
    return tuple((str(name), tuple((int(start), int(end)) for start, end in spans)) for name, spans in record)
