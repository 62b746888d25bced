"""An epoch's mean losses: Lightning's own to the last bit, there for callbacks, of training that ends anywhere."""

from __future__ import annotations

from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.models.model import Batch, Model
from mmvad.system.device import training_device
from mmvad.training.epoch_losses import EpochLosses
from mmvad.training.module import AnomalyModule
from mmvad.training.trainer import make_trainer
from tests.small import WIDTH, batch

SIZES = (7, 7, 3)
"""Samples in an epoch's batches."""


class Changing(Model[Tensor]):
    """A scorer with one loss in every second epoch only."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.linear, self.scale = nn.Linear(WIDTH, 1), scale
        self.epoch = 0

    def forward(self, batch: Batch) -> Tensor:
        return self.linear(batch.visual).squeeze(-1)

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        total = self.scale * (output * batch.mask).square().mean()
        late = {"late": output.exp().mean()} if self.epoch % 2 else {}
        return {"first": output.mean(), **late, "total": total}

    def start_epoch(self, epoch: int, epochs: int) -> None:
        self.epoch = epoch


class LoggedTwice(AnomalyModule):
    """Logs each step's losses by Lightning's own mean beside ours."""

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        steps = self.losses

        def losses(model: Model[Any], batch: Batch) -> dict[str, Tensor]:
            found = steps(model, batch)
            for name, loss in found.items():
                self.log(f"theirs/{name}", loss.detach(), on_step=False, on_epoch=True, batch_size=len(batch.mask))
            return found

        self.losses = losses
        total = super().training_step(batch, batch_index)
        self.losses = steps
        return total


class Figures(Callback):
    """Keeps what an epoch's last callbacks are told."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.epochs.append({name: value.item() for name, value in trainer.callback_metrics.items()})


def trained(module: AnomalyModule, **options: Any) -> list[dict[str, float]]:
    torch.manual_seed(0)
    figures, position = Figures(), training_device("cpu", "auto")
    batches: Any = [batch([5] * size, seed=i) for i, size in enumerate(SIZES)]
    make_trainer(position, callbacks=[figures], logger=False, **options).fit(
        module, DataLoader(batches, batch_size=None)
    )
    return figures.epochs


def test_means_are_lightnings_to_the_last_bit() -> None:
    epochs = trained(LoggedTwice(Config(), model=Changing()), max_epochs=4)
    assert len(epochs) == 4
    assert ["loss/late" in figures for figures in epochs] == [False, True, True, True]  # later ones keep what was
    for figures in epochs:
        ours = {name.removeprefix("loss/"): v for name, v in figures.items() if name.startswith("loss/")}
        assert ours == {name.removeprefix("theirs/"): v for name, v in figures.items() if name.startswith("theirs/")}
        assert {"first", "total"} <= set(ours)
    assert len({figures["loss/total"] for figures in epochs}) == 4


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (3, 1), (4, 2)])
def test_training_may_end_within_an_epoch(steps: int, epochs: int) -> None:
    found = trained(LoggedTwice(Config(), model=Changing()), max_epochs=9, max_steps=steps)
    assert len(found) == epochs
    assert found[-1]["loss/total"] == found[-1]["theirs/total"]


def test_a_loss_that_is_not_finite_ends_training() -> None:
    with pytest.raises(UserError, match=r"(?s)epoch 1: the training loss is (inf|nan).*mmvad data check"):
        trained(AnomalyModule(Config(), model=Changing(scale=1e39)), max_epochs=2)


def test_a_loss_counts_in_the_batches_that_have_it() -> None:
    kept = EpochLosses()
    kept.add({"total": torch.tensor(1.0)}, 3)
    kept.add({"rare": torch.tensor(5.0), "total": torch.tensor(2.0)}, 1)
    assert {name: mean.item() for name, mean in kept.means().items()} == {"total": 5 / 4, "rare": 5.0}


def test_memory_that_is_written_anew_changes_no_sum() -> None:
    """A CUDA graph gives its losses in the same place at every step."""
    position, kept = torch.zeros(()), EpochLosses()
    for value in (1.0, 4.0):
        kept.add({"total": position.fill_(value)}, 3)
    kept.add({"total": position.fill_(9.0)}, 2)
    assert kept.means()["total"].item() == 33 / 8
