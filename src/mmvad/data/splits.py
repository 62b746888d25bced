"""From a bank's videos to the samples of training, validation and test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from mmvad.bank.bank import BankVideo, SplitBank
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.data.look_ahead import Span, windows
from mmvad.data.segments import Chunk
from mmvad.data.store import FeatureStore, Samples, Sequence2D
from mmvad.errors import UserError

Progress = Callable[[Sequence[Sequence2D]], Iterable[Sequence2D]]


@dataclass(frozen=True)
class Serving:
    """How a split is served: L, whether audio is `required`, `optional` or `none`, and where features lie.

    `device` None leaves them on disk; `pinned` says that they go to a GPU from elsewhere; `how` is `data.segments`,
    `crops` and `test_span` are the keys of those names.
    """

    segments: int
    audio: str
    device: torch.device | None
    progress: Progress = lambda sequences: sequences
    how: str = "fold"
    crops: str = "rows"
    test_span: str = "chunks"
    pinned: bool = False


def label_matrix(videos: Sequence[BankVideo], benchmark: Benchmark) -> np.ndarray:
    """Video-level labels: float32 [videos, C] of 0 and 1, the normal class first."""
    matrix = np.zeros((len(videos), len(benchmark.classes)), dtype=np.float32)
    for row, video in zip(matrix, videos, strict=True):
        row[[benchmark.class_index(key, video.name) for key in video.labels]] = 1
    return matrix


def check_held_out(held: Sequence[BankVideo], of: int, share: float, benchmark: Benchmark) -> None:
    """Raises UserError where of so many training videos none, or only one kind, is held out though a share is asked."""
    if share and not held:
        raise UserError(
            f"data.validation_share: {share}",
            f"of {of} training videos none can be held out",
            expected="at least two training videos of a class",
            fix="set data.validation_share=0 and select=last, or take a larger bank",
        )
    kinds = {v.labels == (benchmark.normal,) for v in held}
    if len(kinds) == 1:
        raise UserError(
            f"data.validation_share: {share}",
            f"all {len(held)} held-out videos are {'normal' if kinds.pop() else 'abnormal'}",
            expected="normal and abnormal ones, or no figure can be computed",
            fix="set data.validation_share higher, or take a larger bank",
        )


def training_samples(split: SplitBank, videos: Sequence[BankVideo], benchmark: Benchmark, how: Serving) -> Samples:
    """One sample a crop of every video, or a video with all its crops; as at most L segments."""
    together = _equal_crops(videos) if how.crops == "together" else 1
    rows = [(v, crop) for v in videos for crop in range(len(v.crops))]
    visual = [Sequence2D(v.visual_start + crop * v.snippets, v.snippets) for v, crop in rows]
    audio = [None if v.audio_start is None else Sequence2D(v.audio_start, v.snippets) for v, _ in rows]
    return _samples(split, [v for v, _ in rows], visual, audio, benchmark, how)._replace(crops=together)


def chunk_samples(
    split: SplitBank, videos: Sequence[BankVideo], benchmark: Benchmark, how: Serving, crop: int, span: Span
) -> tuple[Samples, list[Chunk]]:
    """One sample a chunk of one crop of every video, in order; and the chunks."""
    longest = max((v.snippets for v in videos), default=1)
    parts = windows([v.snippets for v in videos], span)
    if span.look_ahead >= 0:
        how = replace(how, device=None)  # chunks that share most of their rows: a copy of each would fill the memory
    if how.test_span != "segments":
        how = replace(how, how="fold", segments=how.segments if how.test_span == "chunks" else longest)
    visual, audio, owners = [], [], []
    for part in parts:
        v = videos[part.video]
        owners.append(v)
        visual.append(Sequence2D(v.visual_start + _crop_position(v, crop) * v.snippets + part.start, part.length))
        audio.append(None if v.audio_start is None else Sequence2D(v.audio_start + part.start, part.length))
    samples = _samples(split, owners, visual, audio, benchmark, how)
    return samples._replace(tight=how.test_span == "whole"), parts


def _samples(
    split: SplitBank,
    owners: Sequence[BankVideo],
    visual: Sequence[Sequence2D],
    audio: Sequence[Sequence2D | None],
    benchmark: Benchmark,
    how: Serving,
) -> Samples:
    sound = _audio_store(split, owners, audio, how)
    store = FeatureStore(split.visual, visual, how.segments, how.device, how.progress, how.how)
    return Samples(store, sound, torch.from_numpy(label_matrix(owners, benchmark)), pinned=how.pinned)


def _audio_store(
    split: SplitBank, owners: Sequence[BankVideo], audio: Sequence[Sequence2D | None], how: Serving
) -> FeatureStore | None:
    if how.audio == "none":
        return None
    silent = [v.name for v, sequence in zip(owners, audio, strict=True) if sequence is None]
    if how.audio == "required" and (silent or split.audio is None):
        raise UserError(
            f"data.audio: {silent[0] if silent else 'the bank'}",
            f"{len(set(silent))} of {len({v.name for v in owners})} videos have no sound in the bank",
            expected="audio features for every video",
            fix="import the audio features as well, or set data.audio=optional, or modalities=v or vt",
        )
    if split.audio is None:
        return None
    return FeatureStore(split.audio, audio, how.segments, how.device, how.progress, how.how)


def _equal_crops(videos: Sequence[BankVideo]) -> int:
    """How many crops every video has. Raises UserError where they differ."""
    odd = next((v for v in videos if len(v.crops) != len(videos[0].crops)), None)
    if odd is not None:
        raise UserError(
            f"data.crops: together, but {odd.name} has {len(odd.crops)} crops",
            f"{videos[0].name} has {len(videos[0].crops)}",
            expected="as many crops of every training video",
            fix="set data.crops=rows, or import the missing crops",
        )
    return len(videos[0].crops)


def _crop_position(video: BankVideo, crop: int) -> int:
    if crop not in video.crops:
        raise UserError(
            f"data.test_crop: {crop}",
            f"the bank holds no such crop of {video.name}",
            expected=f"one of {', '.join(map(str, video.crops))}",
            fix=f"say data.test_crop={video.crops[0]}, or import the release with crop {crop}",
        )
    return video.crops.index(crop)
