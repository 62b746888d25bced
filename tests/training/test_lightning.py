"""As a user of Lightning would: its own Trainer, the data module, the module, a checkpoint by its path alone."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch

from mmvad.config.schema import Config
from mmvad.data.datamodule import FeatureDataModule
from mmvad.errors import UserError
from mmvad.runs import RunFolder, run_config
from mmvad.training.checkpoints import chosen_checkpoint
from mmvad.training.evaluator import Evaluator
from mmvad.training.module import AnomalyModule
from mmvad.training.prepare import prepare
from mmvad.training.train import train
from tests.runs import MEASURED, configured, report

QUIET: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}


def trained(config: Config, folder: Path) -> tuple[lightning.Trainer, FeatureDataModule, Path]:
    lightning.seed_everything(config.seed)
    data, module = FeatureDataModule(config), AnomalyModule(config)
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", callbacks=[Evaluator(data)], default_root_dir=folder, **QUIET
    )
    trainer.fit(module, data)
    trainer.save_checkpoint(folder / "mine.ckpt")
    return trainer, data, folder / "mine.ckpt"


@pytest.mark.parametrize(
    ("measured", "more"),
    [
        ("val/ap", ("modalities=vat", MEASURED)),
        ("val/test_ap", ("modalities=v", "select=best_test", "optim.schedule_by=steps")),
        (None, ("model.name=one_class_svm", "modalities=v")),
    ],
)
def test_fit_test_predict_and_load_by_the_path_alone(
    bank: Path, tmp_path: Path, measured: str | None, more: tuple[str, ...]
) -> None:
    trainer, data, path = trained(configured(bank, tmp_path, *more), tmp_path)
    assert {name for name in trainer.callback_metrics if name.startswith("val/")} == ({measured} if measured else set())
    loaded = AnomalyModule.load_from_checkpoint(path)
    (figures,) = trainer.test(loaded, data, verbose=False)
    (again,) = trainer.test(AnomalyModule.load_from_checkpoint(path), data, verbose=False)
    assert 0 < figures["test/ap"] <= 1
    assert figures == again
    chunks = trainer.predict(loaded, data)
    assert chunks is not None
    assert sum(int(batch.lengths.sum()) for batch in chunks) == sum(v.snippets for v in data.bank.test.videos)


def test_a_runs_checkpoint_gives_the_runs_figures(finished: RunFolder) -> None:
    config = run_config(finished)
    module = AnomalyModule.load_from_checkpoint(chosen_checkpoint(config, finished))
    data = FeatureDataModule(config)
    trainer = lightning.Trainer(accelerator="cpu", callbacks=[Evaluator(data)], **QUIET)
    (figures,) = trainer.test(module, data, verbose=False)
    wanted = report(finished)["scores"]
    assert figures["test/ap"] == pytest.approx(wanted["combined"]["ap"], abs=1e-6)
    assert figures["test/coarse/auc"] == pytest.approx(wanted["coarse"]["auc"], abs=1e-6)


def test_hyperparameters_are_plain_and_the_text_tower_stays_out(finished: RunFolder) -> None:
    content = torch.load(finished.checkpoints / "last.ckpt", weights_only=True)
    assert type(content["hyper_parameters"]["config"]) is dict
    assert content["hyper_parameters"]["widths"] == {"visual": 16, "audio": 8}
    assert not [name for name in content["state_dict"] if ".tower." in name]


def stop_in_the_second_epoch(epoch: int, figures: dict[str, float]) -> None:
    if epoch == 1:
        raise KeyboardInterrupt


def test_a_checkpoint_from_before_hyperparameters_still_tests_and_resumes(bank: Path, tmp_path: Path) -> None:
    whole = train(configured(bank, tmp_path / "whole"))
    config = configured(bank, tmp_path / "old")
    folder = prepare(config).folder
    with pytest.raises(KeyboardInterrupt):
        train(config, stop_in_the_second_epoch)
    last = folder.checkpoints / "last.ckpt"
    content = torch.load(last, weights_only=True)
    for key in [key for key in content if key.startswith("hparams") or key == "hyper_parameters"]:
        del content[key]
    torch.save(content, last)
    assert train(config).report.read_bytes() == whole.report.read_bytes()


def test_a_checkpoint_that_would_run_code_is_refused(finished: RunFolder, tmp_path: Path) -> None:
    content = torch.load(finished.checkpoints / "last.ckpt", weights_only=True)
    torch.save({**content, "planted": Path.home}, tmp_path / "bad.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        AnomalyModule.load_from_checkpoint(tmp_path / "bad.ckpt")


def test_a_model_that_is_fitted_before_training_needs_the_data_module(bank: Path, tmp_path: Path) -> None:
    config = configured(bank, tmp_path, "model.name=one_class_svm", "modalities=v")
    data, module = FeatureDataModule(config), AnomalyModule(config)
    with pytest.raises(UserError, match=r"one_class_svm is fitted .*(?s:.)*trainer.fit\(module, data\)"):
        lightning.Trainer(max_epochs=1, accelerator="cpu", **QUIET).fit(module, data.train_dataloader())
