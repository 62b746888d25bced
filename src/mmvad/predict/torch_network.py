"""A trained run's network as a plain function of arrays, for rows that come one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from mmvad.data.segments import to_segments
from mmvad.models.model import Batch
from mmvad.predict.online import ChunkRows, Network
from mmvad.predict.scorer import check_width
from mmvad.predict.trained import TrainedRun
from mmvad.releases.arrays.normalise import normalised

CHUNKS_A_BATCH = 32


def torch_network(run: TrainedRun) -> Network:
    """The run's network on its device. It is called with rows as the extraction gives them, before any scaling.

    Raises UserError, when called, for rows of another width than the run's.
    """
    module = run.module.eval().to(run.device.torch)

    def scored(chunks: Sequence[ChunkRows]) -> list[tuple[np.ndarray | None, np.ndarray | None]]:
        found: list[tuple[np.ndarray | None, np.ndarray | None]] = []
        for start in range(0, len(chunks), CHUNKS_A_BATCH):
            batch = batch_of(run, chunks[start : start + CHUNKS_A_BATCH])
            with torch.inference_mode(), _precision(run):
                scores = module.predict_step(batch, 0)
            found += _by_chunk(scores.coarse, scores.classes, scores.lengths.tolist())
        return found

    return scored


def batch_of(run: TrainedRun, chunks: Sequence[ChunkRows]) -> Batch:
    """Chunks as one padded batch, as a test of the run would feed them."""
    visual = [_fed(run, chunk.visual, "visual", run.widths.visual) for chunk in chunks]
    lengths = torch.tensor([len(rows) for rows in visual])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    labels = torch.zeros(len(chunks), len(run.benchmark.classes))
    labels[:, 0] = 1  # which nothing asks for outside of training
    audio, has_audio = _sound_of(run, chunks, mask.shape[1]) if run.uses_audio else (None, None)
    device = run.device.torch
    return Batch(
        _padded(visual).to(device),
        None if audio is None else audio.to(device),
        None if has_audio is None else has_audio.to(device),
        mask.to(device),
        labels.to(device),
    )


def _sound_of(run: TrainedRun, chunks: Sequence[ChunkRows], length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sound [B, length, d_a], and which chunks have any: bool [B]."""
    silence = np.zeros((0, run.widths.audio), dtype=np.float32)
    rows = [silence if chunk.audio is None else _fed(run, chunk.audio, "audio", run.widths.audio) for chunk in chunks]
    return _padded(rows, length), torch.tensor([len(each) > 0 for each in rows])


def _fed(run: TrainedRun, rows: np.ndarray, modality: str, width: int) -> np.ndarray:
    check_width(run.folder.path, modality, rows.shape[1], width)
    rows, data = normalised(rows, run.normalise), run.config.data
    return to_segments(rows, data.segment_length, data.segments) if data.test_span == "segments" else rows


def _padded(rows: Sequence[np.ndarray], length: int | None = None) -> torch.Tensor:
    out = torch.zeros(len(rows), length or max(map(len, rows)), rows[0].shape[1])
    for place, each in zip(out, rows, strict=True):
        place[: len(each)] = torch.from_numpy(np.ascontiguousarray(each, dtype=np.float32))
    return out


def _by_chunk(
    coarse: torch.Tensor | None, classes: torch.Tensor | None, lengths: Sequence[int]
) -> Iterator[tuple[np.ndarray | None, np.ndarray | None]]:
    for nth, n in enumerate(lengths):
        yield (
            None if coarse is None else coarse[nth, :n].float().numpy(),
            None if classes is None else classes[nth, :n].float().numpy(),
        )


def _precision(run: TrainedRun) -> AbstractContextManager[object]:
    """As Lightning runs it: half where the run says so."""
    halves = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    if run.device.precision not in halves:
        return nullcontext()
    return torch.autocast(run.device.torch.type, halves[run.device.precision])
