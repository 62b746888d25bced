"""Segmented features of one split, and the gather that makes a batch of them.

Resident features (in RAM or on the GPU) are segmented once and a batch is one index; on disk each batch reads its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmvad.data.segments import segment_count, to_segments
from mmvad.models.model import Batch


class Sequence2D(NamedTuple):
    """Where one feature sequence lies in a packed array: `length` rows from `start`, fed as at most L segments."""

    start: int
    length: int


class FeatureStore:
    """Packed features of many sequences, served as padded batches.

    Args:
        packed: [rows, d], memory-mapped or not.
        sequences: one a sample; None where the sample has no such feature (no sound).
        segments: L.
        device: where resident features lie; None leaves them on disk.
        how: `data.segments`.
    """

    def __init__(
        self,
        packed: np.ndarray,
        sequences: Sequence[Sequence2D | None],
        segments: int,
        device: torch.device | None,
        progress: Callable[[Sequence[Sequence2D]], Iterable[Sequence2D]] = lambda x: x,
        how: str = "fold",
    ) -> None:
        self.packed, self.segments, self.width, self.how = packed, segments, packed.shape[1], how
        self.sequences = sequences
        distinct = list(dict.fromkeys(s for s in sequences if s is not None))
        self.rows: Tensor | None = None
        if device is not None:
            self._make_resident(distinct, device, progress)

    def _make_resident(
        self,
        distinct: Sequence[Sequence2D],
        device: torch.device,
        progress: Callable[[Sequence[Sequence2D]], Iterable[Sequence2D]],
    ) -> None:
        lengths = np.array([self._count(s) for s in distinct], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        rows = torch.zeros(int(starts[-1]) + 1, self.width)  # the last row stays zero: padding points at it
        for sequence, start, length in zip(progress(distinct), starts, lengths, strict=False):
            rows[start : start + length] = torch.tensor(self._read(sequence))
        self.rows = rows.to(device)
        self.start = dict(zip(distinct, starts[:-1].tolist(), strict=True))

    def lengths(self, samples: np.ndarray) -> np.ndarray:
        """Valid segments of each sample: int64 [B], 0 where the feature is absent."""
        found = [self.sequences[i] for i in samples]
        return np.array([self._count(s) if s else 0 for s in found], dtype=np.int64)

    def gather(self, samples: np.ndarray, length: int) -> Tensor:
        """Padded features of the samples: float32 [B, length, d], zero on padding."""
        if self.rows is None:
            return self._gather_from_disk(samples, length)
        starts = np.array([self.start[s] if (s := self.sequences[i]) else 0 for i in samples], dtype=np.int64)
        position = np.arange(length)
        valid = position < self.lengths(samples)[:, None]
        index = np.where(valid, starts[:, None] + position, len(self.rows) - 1)
        found = self.rows.index_select(0, on_device(index.reshape(-1), self.rows.device))
        return found.unflatten(0, index.shape)

    def _gather_from_disk(self, samples: np.ndarray, length: int) -> Tensor:
        out = torch.zeros(len(samples), length, self.width)
        for b, i in enumerate(samples):
            if sequence := self.sequences[i]:
                rows = self._read(sequence)
                out[b, : len(rows)] = torch.tensor(rows)
        return out

    def _read(self, sequence: Sequence2D) -> np.ndarray:
        rows = self.packed[sequence.start : sequence.start + sequence.length]
        return to_segments(rows, self.segments, self.how)

    def _count(self, sequence: Sequence2D) -> int:
        return segment_count(sequence.length, self.segments, self.how)


def on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """The array there; to a GPU from pinned memory, so that no step waits for the one before it."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class Samples(NamedTuple):
    """What a split offers the network: stores by modality and a label row a row of theirs.

    Attributes:
        crops: rows that make one sample together (`data.crops: together`).
        tight: a batch is as long as its longest sample, not L: for videos that are scored whole.
        pinned: batches lie in pinned memory and are made one ahead: for a GPU that they go to.
    """

    visual: FeatureStore
    audio: FeatureStore | None
    labels: Tensor
    crops: int = 1
    tight: bool = False
    pinned: bool = False

    @property
    def size(self) -> int:
        return len(self.labels) // self.crops

    def batch(self, samples: np.ndarray) -> Batch:
        """The samples as one padded batch, on the device where the features lie."""
        rows = (np.asarray(samples)[:, None] * self.crops + np.arange(self.crops)).reshape(-1)
        valid = self.visual.lengths(rows)
        length = int(valid.max()) if self.tight else self.visual.segments
        visual = self.visual.gather(rows, length)
        device = visual.device
        mask = torch.arange(length, device=device) < on_device(valid, device)[:, None]
        audio = has_audio = None
        if self.audio is not None:
            audio = self.audio.gather(rows, length)
            has_audio = on_device(self.audio.lengths(rows) > 0, device)
        labels = on_device(self.labels.numpy()[rows], device)
        return Batch(visual, audio, has_audio, mask, labels, self.crops)
