"""The LightningModule: a model with its losses, its optimiser, and the scores that it gives. Nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import lightning
import torch
from torch import Tensor

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.identity import completed
from mmvad.config.load import parse, whole
from mmvad.config.optim import Optim
from mmvad.config.schema import Config
from mmvad.data.opening import bank_of
from mmvad.errors import UserError
from mmvad.models.model import Batch, Model
from mmvad.models.text_encoder import TextEncoder
from mmvad.system.log import LOG
from mmvad.training.build import Widths, build_model, build_text
from mmvad.training.compiling import Losses, batch_losses, compiled_losses, compiles
from mmvad.training.epoch_losses import EpochLosses
from mmvad.training.schedule import rate_factor
from mmvad.training.scoring import ChunkScores

OPTIMISERS: Mapping[str, Any] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "sgd": torch.optim.SGD,
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "rmsprop": torch.optim.RMSprop,
}
FUSED = {"adam", "adamw"}
"""One kernel a step on CPU and CUDA alike."""


class AnomalyModule(lightning.LightningModule):
    """Trains and scores the model that a configuration names.

    Configuration and widths are its hyperparameters, as plain values: `AnomalyModule.load_from_checkpoint(PATH)` needs
    no more than the path. `seed` of the configuration with the epoch's number seeds every chance in training, so a
    resumed run goes on as if undisturbed; initial weights come from torch's current seed.

    Args:
        config: the configuration, or its tree of plain values as a checkpoint has it, be it an older one.
        widths: of the features; by default those of the bank at `data.bank`.
        encoder: the frozen text encoder, loaded before; by default the one that `model.text` names.
        model: in place of the one that the configuration names.
    """

    def __init__(
        self,
        config: Config | dict[str, Any],
        widths: Widths | Mapping[str, int] | None = None,
        encoder: TextEncoder | None = None,
        model: Model | None = None,
    ) -> None:
        super().__init__()
        self.config = config if isinstance(config, Config) else parse(completed(config))
        if model is None:
            widths = Widths.of(bank_of(self.config)) if widths is None else Widths(**_plain_widths(widths))
            named = benchmark_named(self.config.benchmark)
            model = build_model(self.config, widths, named, encoder or build_text(self.config, widths))
        self.save_hyperparameters({"config": whole(self.config), "widths": _plain_widths(widths)}, logger=False)
        self.model = model
        self.compiled = False
        self.losses: Losses = batch_losses
        self.epoch_losses = EpochLosses()

    @classmethod
    def load_from_checkpoint(
        cls,
        checkpoint_path: Any,
        map_location: Any = "cpu",
        hparams_file: Any = None,
        strict: bool | None = None,
        weights_only: bool | None = True,
        **changes: Any,
    ) -> AnomalyModule:
        """The module of a checkpoint, on the CPU; `changes` replace hyperparameters. Nothing is unpickled."""
        return super().load_from_checkpoint(
            checkpoint_path, map_location, hparams_file, strict, weights_only, **changes
        )

    @property
    def optim(self) -> Optim:
        return self.config.optim

    def forward(self, batch: Batch) -> Any:
        return self.model(batch)

    def setup(self, stage: str) -> None:
        """Before training, what is fitted without gradients is. Raises UserError where nothing has its samples."""
        if stage == "fit":
            self.model.fit_offline(self._samples_in_order())

    def on_train_start(self) -> None:
        requested, steps = self.config.runtime.compile, self.optim.epochs * self.trainer.num_training_batches
        self.compiled = compiles(requested, self.model, self.device, steps)
        if self.compiled:
            LOG.info("compile  training steps become CUDA graphs: the first one takes up to a minute")
            self.losses = compiled_losses()
        elif requested == "on":
            LOG.info("compile  steps stay as they are: runtime.compile is for networks of fixed shapes on CUDA")

    def on_train_epoch_start(self) -> None:
        self.epoch_losses = EpochLosses()
        self.model.start_epoch(self.current_epoch, self.optim.epochs)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        # not at the epoch's start: in a resumed run the loader draws from torch's generator before that, else behind it
        if batch_index == 0:
            torch.manual_seed(self.config.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        losses = self.losses(self.model, batch)
        if "total" not in losses:
            named = f"losses gives {', '.join(losses) or 'nothing'}"
            raise UserError(type(self.model).__name__, named, expected="`total`, which training lowers")
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

    def predict_step(self, batch: Batch, batch_index: int, dataloader_idx: int = 0) -> ChunkScores:
        coarse, classes = (None if s is None else s.cpu() for s in self.model.scores(self.model(batch)))
        for scores, name in ((coarse, "coarse"), (classes, "classes")):
            self._check_shape(scores, name, batch)
        return ChunkScores(coarse, classes, batch.mask.sum(dim=1).cpu())

    def _check_shape(self, scores: Tensor | None, name: str, batch: Batch) -> None:
        """Raises UserError for scores of fewer or more segments than were fed: they would be spread over the video."""
        rows, last = batch.mask.shape, () if name == "coarse" else (batch.labels.shape[1],)
        if scores is not None and scores.shape != (*rows, *last):
            expected = f"{[*rows, *last]}: videos, segments{', classes' * bool(last)}"
            problem = f"scores gives `{name}` of shape {[*scores.shape]}"
            raise UserError(type(self.model).__name__, problem, expected=expected)

    def on_predict_start(self) -> None:
        torch.manual_seed(self.config.seed)  # for models that score by chance

    on_test_start = on_predict_start

    def validation_step(self, batch: Batch, batch_index: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """For callbacks: `scores`, a batch's `ChunkScores`."""
        return {"scores": self.predict_step(batch, batch_index)}

    test_step = validation_step

    def configure_optimizers(self) -> Any:
        groups = self.model.parameter_groups(self.optim.learning_rate)
        kind: Any = OPTIMISERS[self.optim.name]
        clips_mixed = self.optim.gradient_clip and self.trainer.precision != "32-true"  # Lightning refuses it fused
        fused = {"fused": True} if self.optim.name in FUSED and not clips_mixed else {}
        optimizer = kind(groups, lr=self.optim.learning_rate, weight_decay=self.optim.weight_decay, **fused)
        by_steps = self.optim.schedule_by == "steps"
        length = self.optim.epochs * (self._steps_an_epoch() if by_steps else 1)
        factor = lambda at: rate_factor(self.optim, at, length, self.model.stages)  # noqa: E731
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return [optimizer], [{"scheduler": schedule, "interval": "step" if by_steps else "epoch"}]

    def _samples_in_order(self) -> Iterator[Batch]:
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if not hasattr(data, "train_batches"):
            problem = f"{self.config.model.name} is fitted to all samples before training, which loaders alone have not"
            raise UserError("trainer.fit", problem, fix="give it the data module: trainer.fit(module, data)")
        yield from data.train_batches()

    def _steps_an_epoch(self) -> int:
        self.trainer.fit_loop.setup_data()  # as Lightning's own estimate of the steps has it
        return math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leaves out the frozen text tower: its weights have a source and a hash of their own."""
        weights = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: value for name, value in weights.items() if not is_frozen(name)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Makes room for what was fitted, whose shape the data decided; puts back the frozen text tower."""
        weights = checkpoint["state_dict"]
        for name in self.model.fitted:
            self.model.get_buffer(name).resize_(weights[f"model.{name}"].shape)
        frozen = {name: value for name, value in self.state_dict().items() if is_frozen(name)}
        checkpoint["state_dict"] = {**frozen, **weights}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Takes a checkpoint's weights. Raises UserError where they are not this network's."""
        checkpoint = {"state_dict": weights}
        self.on_load_checkpoint(checkpoint)
        try:
            result = self.load_state_dict(checkpoint["state_dict"], strict=False)
            wrong = [*result.missing_keys, *result.unexpected_keys]
        except RuntimeError as error:  # a shape that differs
            wrong = str(error).splitlines()[1:]
        if wrong:
            raise UserError(
                "checkpoint",
                f"does not fit the network: {len(wrong)} weights missing, extra or misshapen: {wrong[0].strip()}",
                expected="the weights of the run's own configuration",
                fix="test a run folder with its own checkpoint, or train again",
            )


def _plain_widths(widths: Widths | Mapping[str, int] | None) -> dict[str, int]:
    """Widths as checkpoints keep them."""
    return dict(widths._asdict() if isinstance(widths, Widths) else widths or {})


def is_frozen(name: str) -> bool:
    """Whether a weight is the text tower's."""
    return ".tower." in name
