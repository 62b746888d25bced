"""The LightningModule: a model with its losses, its optimiser, and the scores that it gives. Nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import lightning
import torch
from torch import Tensor
from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.config.schedules import SCHEDULES
from mmvad.config.schema import Optim, Quirks
from mmvad.data.datamodule import ScoringSet
from mmvad.errors import UserError
from mmvad.metrics.evaluate import ScoredVideo, evaluate
from mmvad.metrics.postprocessing import averaged, smoothed
from mmvad.models.model import Batch, Model
from mmvad.system.log import LOG
from mmvad.training.compiling import Losses, batch_losses, compiled_losses
from mmvad.training.epoch_losses import EpochLosses
from mmvad.training.scoring import ChunkScores, join_chunks, mil_score

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adagrad": torch.optim.Adagrad}
FUSED = {"adam", "adamw"}
"""One kernel a step on CPU and CUDA alike."""


class Monitor(NamedTuple):
    """What the validation loop measures: `headline` (ap or auc) of a set's videos, under the name that is logged.

    Without frame labels (`frames` False) it is the figure of the videos' MIL scores; else the report's own, so that the
    epoch that is best is best in what is reported: with crops averaged (`scored` has a set for each), smoothed, and
    with AP by trapezoids where `quirks` says so.
    """

    name: str
    headline: str
    scored: Sequence[ScoringSet]
    benchmark: Benchmark
    frames: bool
    quirks: Quirks = Quirks()


class AnomalyModule(lightning.LightningModule):
    """Trains and scores a model.

    Args:
        optim: optimiser and schedule.
        seed: with the epoch's number it seeds every chance in training, so a resumed run goes on as if undisturbed.
        monitor: what is measured after each epoch; None for nothing.
        compiled: whether training steps are compiled.
    """

    def __init__(
        self, model: Model, optim: Optim, seed: int, monitor: Monitor | None = None, compiled: bool = False
    ) -> None:
        super().__init__()
        self.strict_loading = False
        self.compiled = compiled
        self.losses: Losses = batch_losses
        self.model, self.optim, self.seed, self.monitor = model, optim, seed, monitor
        self.epoch_losses = EpochLosses()
        self.chunk_scores: list[list[ChunkScores]] = []

    def forward(self, batch: Batch) -> Any:
        return self.model(batch)

    def on_train_start(self) -> None:
        if self.compiled:
            LOG.info("compile  training steps become CUDA graphs: the first one takes up to a minute")
            self.losses = compiled_losses()

    def on_train_epoch_start(self) -> None:
        self.epoch_losses = EpochLosses()
        self.model.start_epoch(self.current_epoch, self.optim.epochs)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        # not at the epoch's start: in a resumed run the loader draws from torch's generator before that, else behind it
        if batch_index == 0:
            torch.manual_seed(self.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        losses = self.losses(self.model, batch)
        self.epoch_losses.add(losses, len(batch.mask))
        return losses["total"]

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        # not at the epoch's end: callbacks have their turn before that hook and read the losses in theirs
        trainer = self.trainer
        if trainer.is_last_batch or trainer.should_stop or trainer.global_step == trainer.max_steps:
            means = {f"loss/{name}": mean for name, mean in self.epoch_losses.means().items()}
            self.log_dict(means, on_step=False, on_epoch=True, batch_size=1)

    def on_train_epoch_end(self) -> None:
        self.model.end_epoch(self.current_epoch, self.optim.epochs)
        loss = float(self.trainer.callback_metrics["loss/total"])
        if not math.isfinite(loss):
            raise UserError(
                f"epoch {self.current_epoch + 1}",
                f"the training loss is {loss}",
                expected="a finite loss",
                fix="lower optim.learning_rate, set optim.gradient_clip=1, or take runtime.precision=32-true; if that "
                "does not help, look for damaged features: mmvad data check BENCHMARK BANK",
            )

    def predict_step(self, batch: Batch, batch_index: int) -> ChunkScores:
        coarse, classes = (None if s is None else s.cpu() for s in self.model.scores(self.model(batch)))
        return ChunkScores(coarse, classes, batch.mask.sum(dim=1).cpu())

    def on_predict_start(self) -> None:
        torch.manual_seed(self.seed)  # for models that score by chance

    def on_validation_epoch_start(self) -> None:
        self.chunk_scores = [[] for _ in self.monitor.scored] if self.monitor else []

    def validation_step(self, batch: Batch, batch_index: int, dataloader_idx: int = 0) -> None:
        self.chunk_scores[dataloader_idx].append(self.predict_step(batch, batch_index))

    def on_validation_epoch_end(self) -> None:
        if self.monitor is None:
            return
        by_set = [join_chunks(*each) for each in zip(self.chunk_scores, self.monitor.scored, strict=True)]
        self.log(self.monitor.name, monitored_figure(self.monitor, by_set), prog_bar=True)

    def configure_optimizers(self) -> Any:
        groups = self.model.parameter_groups(self.optim.learning_rate)
        kind: Any = OPTIMISERS[self.optim.name]
        clips_mixed = self.optim.gradient_clip and self.trainer.precision != "32-true"  # Lightning refuses it fused
        fused = {"fused": True} if self.optim.name in FUSED and not clips_mixed else {}
        optimizer = kind(groups, lr=self.optim.learning_rate, weight_decay=self.optim.weight_decay, **fused)
        factor = lambda epoch: rate_factor(self.optim, epoch, self.model.stages)  # noqa: E731
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, factor)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leaves out the frozen text tower: its weights have a source and a hash of their own."""
        weights = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: value for name, value in weights.items() if not is_frozen(name)}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Takes a checkpoint's weights. Raises UserError where they are not this network's."""
        for name in self.model.fitted:
            self.model.get_buffer(name).resize_(weights[f"model.{name}"].shape)
        try:
            result = self.load_state_dict(weights, strict=False)
            wrong = [n for n in result.missing_keys if not is_frozen(n)] + list(result.unexpected_keys)
        except RuntimeError as error:  # a shape that differs
            wrong = str(error).splitlines()[1:]
        if wrong:
            raise UserError(
                "checkpoint",
                f"does not fit the network: {len(wrong)} weights missing, extra or misshapen: {wrong[0].strip()}",
                expected="the weights of the run's own configuration",
                fix="test a run folder with its own checkpoint, or train again",
            )


def monitored_figure(monitor: Monitor, by_set: Sequence[Sequence[ScoredVideo]]) -> Tensor:
    """AP or AUC: of MIL scores over held-out videos, or of frames over the test set (0 where a kind is missing)."""
    if monitor.frames:
        tested = smoothed(averaged(by_set), monitor.quirks.smoothing)
        figures = evaluate(monitor.benchmark, tested, trapezoid=monitor.quirks.trapezoid_ap)
        return torch.tensor(figures["scores"]["combined"][monitor.headline] or 0.0)
    (videos,) = by_set
    metric = BinaryAveragePrecision() if monitor.headline == "ap" else BinaryAUROC()
    truth = torch.tensor([int(v.labels != (monitor.benchmark.normal,)) for v in videos])
    return metric(torch.tensor([mil_score(v) for v in videos]), truth)


def rate_factor(optim: Optim, epoch: int, stages: int = 1) -> float:
    """What the initial learning rate is multiplied with in an epoch (counted from 0); each stage begins anew."""
    stage = min(epoch * stages // optim.epochs, stages - 1)
    done = (epoch * stages - stage * optim.epochs) / optim.epochs
    return SCHEDULES[optim.schedule](done, optim)


def is_frozen(name: str) -> bool:
    """Whether a weight is the text tower's."""
    return ".tower." in name
