"""What is measured of a network while Lightning validates or tests it: a callback that the network does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.data.datamodule import FeatureDataModule, ScoringSet
from mmvad.metrics.evaluate import evaluate, frame_scores, is_normal
from mmvad.metrics.postprocessing import averaged, smoothed
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.metrics.video_level import mil_score
from mmvad.training.run_report import report_figures
from mmvad.training.scoring import ChunkScores, join_chunks


class Evaluator(Callback):
    """Logs the headline figure (ap or auc) after each epoch, where there is a set to choose on; all after a test.

    Of held-out videos it is the figure of their MIL scores, `val/ap`; of the test set the report's own, `val/test_ap`,
    so that the epoch that is best is best in what is reported: with crops averaged, smoothed, and with AP by trapezoids
    where `quirks` says so. After `trainer.test` the test set's figures are logged as `test/ap`, `test/coarse/ap`, ...
    """

    def __init__(self, data: FeatureDataModule) -> None:
        self.data, self.quirks, self.benchmark = data, data.config.quirks, data.benchmark
        self.by_test_set = data.config.select == "best_test"
        self.chunks: list[list[ChunkScores]] = []

    @property
    def name(self) -> str:
        """Under which the epoch's figure is logged."""
        return f"val/{'test_' if self.by_test_set else ''}{self.benchmark.headline}"

    def on_validation_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.chunks = [[] for _ in self.data.selection_sets]

    def on_validation_batch_end(self, *arguments: Any, **named: Any) -> None:
        self._keep(*arguments, **named)

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.chunks and not trainer.sanity_checking:  # which shows a few chunks only
            pl_module.log(self.name, self.figure(self._joined(self.data.selection_sets)), prog_bar=True)

    def on_test_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.chunks = [[] for _ in self.data.test_sets]

    def on_test_batch_end(self, *arguments: Any, **named: Any) -> None:
        self._keep(*arguments, **named)

    def on_test_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        figures = self.measured(self._joined(self.data.test_sets))
        headline = {"score": "combined", "metric": self.benchmark.headline}
        pl_module.log_dict(report_figures({"headline": headline, **figures}))

    def figure(self, by_set: Sequence[Sequence[ScoredVideo]]) -> Tensor:
        """AP or AUC: of MIL scores over held-out videos, or of frames over the test set (0 where a kind is missing)."""
        headline = self.benchmark.headline
        if self.by_test_set:
            return torch.tensor(self.measured(by_set)["scores"]["combined"][headline] or 0.0)
        (videos,) = by_set
        return held_out_figure(self.benchmark, videos)

    def measured(self, by_set: Sequence[Sequence[ScoredVideo]]) -> dict[str, Any]:
        """Every figure of the test set, scored in one or in all crops."""
        tested = smoothed(averaged(by_set), self.quirks.smoothing)
        return evaluate(self.benchmark, tested, trapezoid=self.quirks.trapezoid_ap)

    def _keep(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_index: int, dataloader_idx: int = 0
    ) -> None:
        if dataloader_idx < len(self.chunks):  # further sets are those of an audit
            self.chunks[dataloader_idx].append(outputs["scores"])

    def _joined(self, sets: Sequence[ScoringSet]) -> list[list[ScoredVideo]]:
        return [join_chunks(*each) for each in zip(self.chunks, sets, strict=True)]


def held_out_figure(benchmark: Benchmark, videos: Sequence[ScoredVideo]) -> Tensor:
    """AP or AUC, as the benchmark has it, of abnormal among held-out videos by their MIL scores."""
    metric = BinaryAveragePrecision() if benchmark.headline == "ap" else BinaryAUROC()
    truth = torch.tensor([int(not is_normal(benchmark, video)) for video in videos])
    return metric(torch.tensor([mil_score(frame_scores([video])["combined"]) for video in videos]), truth)
