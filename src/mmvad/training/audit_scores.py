"""What an audit needs and only training can give: the test set's scores of every epoch (`runtime.audit`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from mmvad.data.datamodule import FeatureDataModule
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.runs import RunFolder, epoch_scores, write_scores
from mmvad.system.disk import disk_errors
from mmvad.training.evaluator import held_out_figure
from mmvad.training.scoring import ChunkScores, join_chunks


class AuditScores(Callback):
    """Writes `audit/epoch-N.npz` after each epoch: scores in the tested crop, not smoothed.

    Where the checkpoint is chosen on the test set, the figure of held-out videos is logged besides (`val/ap`), so that
    the epoch that they would have chosen is known too.
    """

    def __init__(self, data: FeatureDataModule, folder: RunFolder) -> None:
        self.data, self.folder = data, folder
        self.chunks: list[list[ChunkScores]] = []

    def on_validation_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.chunks = [[] for _ in self.data.audit_sets]

    def on_validation_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_index: int, dataloader_idx: int = 0
    ) -> None:
        own = dataloader_idx - len(self.data.selection_sets)
        if own >= 0:
            self.chunks[own].append(outputs["scores"])

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        tested, *held_out = (join_chunks(*each) for each in zip(self.chunks, self.data.audit_sets, strict=True))
        write_audited(epoch_scores(self.folder, trainer.current_epoch), tested)
        for videos in held_out:
            pl_module.log(f"val/{self.data.benchmark.headline}", held_out_figure(self.data.benchmark, videos))


def write_audited(path: Path, videos: Sequence[ScoredVideo]) -> None:
    """Writes scores of the coarse branch and of the normal class: all that frames are ranked by."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_scores(path, [_small(video) for video in videos])


def _small(video: ScoredVideo) -> ScoredVideo:
    classes = video.class_probabilities
    return video if classes is None else replace(video, class_probabilities=classes[:, :1])
