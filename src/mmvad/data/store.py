"""Segmented features of one split, and the gather that makes a batch of them.

Resident features (in RAM or on the GPU) are segmented once and a batch is one index; on disk each batch reads its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmvad.data.segments import to_segments
from mmvad.models.dual_stream import Batch


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
    """

    def __init__(
        self,
        packed: np.ndarray,
        sequences: Sequence[Sequence2D | None],
        segments: int,
        device: torch.device | None,
        progress: Callable[[Sequence[Sequence2D]], Iterable[Sequence2D]] = lambda x: x,
    ) -> None:
        self.packed, self.segments, self.width = packed, segments, packed.shape[1]
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
        lengths = np.array([min(s.length, self.segments) for s in distinct], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        rows = torch.zeros(int(starts[-1]) + 1, self.width)  # the last row stays zero: padding points at it
        for sequence, start, length in zip(progress(distinct), starts, lengths, strict=False):
            rows[start : start + length] = torch.tensor(self._read(sequence))
        self.rows = rows.to(device)
        self.start = dict(zip(distinct, starts[:-1].tolist(), strict=True))

    def lengths(self, samples: np.ndarray) -> np.ndarray:
        """Valid segments of each sample: int64 [B], 0 where the feature is absent."""
        found = [self.sequences[i] for i in samples]
        return np.array([min(s.length, self.segments) if s else 0 for s in found], dtype=np.int64)

    def gather(self, samples: np.ndarray) -> Tensor:
        """Padded features of the samples: float32 [B, L, d], zero on padding."""
        if self.rows is None:
            return self._gather_from_disk(samples)
        starts = np.array([self.start[s] if (s := self.sequences[i]) else 0 for i in samples], dtype=np.int64)
        place = np.arange(self.segments)
        valid = place < self.lengths(samples)[:, None]
        index = np.where(valid, starts[:, None] + place, len(self.rows) - 1)
        return self.rows[torch.from_numpy(index).to(self.rows.device)]

    def _gather_from_disk(self, samples: np.ndarray) -> Tensor:
        out = torch.zeros(len(samples), self.segments, self.width)
        for b, i in enumerate(samples):
            if sequence := self.sequences[i]:
                rows = self._read(sequence)
                out[b, : len(rows)] = torch.tensor(rows)
        return out

    def _read(self, sequence: Sequence2D) -> np.ndarray:
        return to_segments(self.packed[sequence.start : sequence.start + sequence.length], self.segments)


class Samples(NamedTuple):
    """What a split offers the network: stores by modality and a label row a sample."""

    visual: FeatureStore
    audio: FeatureStore | None
    labels: Tensor

    def batch(self, samples: np.ndarray) -> Batch:
        """The samples as one padded batch, on the device where the features lie."""
        visual = self.visual.gather(samples)
        device = visual.device
        lengths = torch.from_numpy(self.visual.lengths(samples)).to(device)
        mask = torch.arange(self.visual.segments, device=device) < lengths[:, None]
        audio = heard = None
        if self.audio is not None:
            audio = self.audio.gather(samples)
            heard = torch.from_numpy(self.audio.lengths(samples) > 0).to(device)
        labels = self.labels[torch.from_numpy(np.asarray(samples))].to(device)
        return Batch(visual, audio, heard, mask, labels)
