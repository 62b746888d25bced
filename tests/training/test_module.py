"""The glue between any model and training: hooks, stages, fitted buffers, spans of the test videos."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from mmvad.config.load import load_config
from mmvad.config.optim import Optim
from mmvad.config.schema import Config
from mmvad.models.model import Batch, Model, Scores
from mmvad.models.peers.random_scores import network as random_scores
from mmvad.runs import RunFolder, read_json
from mmvad.training.module import AnomalyModule
from mmvad.training.retest import retest
from mmvad.training.schedule import rate_factor
from mmvad.training.train import train
from tests.small import WIDTH, write_bank


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bank(tmp_path_factory.mktemp("module") / "bank")


class Remembers(Model[Tensor]):
    """A linear scorer over features less a mean that it fits before training."""

    fitted = ("normal_rows",)

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, 1)
        self.register_buffer("normal_rows", torch.zeros(0, WIDTH))
        self.called: list[tuple[str, int]] = []

    def forward(self, batch: Batch) -> Tensor:
        return self.linear(batch.visual - self.normal_rows.mean(dim=0)).squeeze(-1)

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        assert not torch.is_autocast_enabled(output.device.type)
        return {"total": (output * batch.mask).square().sum()}

    def scores(self, output: Tensor) -> Scores:
        return Scores(output.float().sigmoid(), None)

    def fit_offline(self, batches: Iterable[Batch]) -> None:
        rows = [b.visual[b.mask].mean(dim=0) for b in batches if not b.abnormal.any()]
        self.normal_rows = torch.stack(rows)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        self.called.append(("start", epoch))

    def end_epoch(self, epoch: int, epochs: int) -> None:
        self.called.append(("end", epoch))


def settings(bank: Path, results: Path, *more: str) -> list[str]:
    common = [f"data.bank={bank}", f"runtime.results={results}", "data.segment_length=8", "data.batch_size=6"]
    return [*common, "model.name=random_scores", "modalities=v", "optim.epochs=2", "runtime.figures=off", *more]


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> list[Remembers]:
    """Every model that is built meanwhile, in the floor's place."""
    made: list[Remembers] = []

    def build(setting: object, own: object) -> Remembers:
        made.append(Remembers())
        return made[-1]

    monkeypatch.setattr(random_scores, "build", build)
    return made


def test_hooks_are_called_in_order_and_fitted_buffers_are_kept(
    bank: Path, tmp_path: Path, remembering: list[Remembers]
) -> None:
    folder = train(load_config([], settings(bank, tmp_path, "runtime.precision=bf16-mixed")))
    assert remembering[0].called == [("start", 0), ("end", 0), ("start", 1), ("end", 1)]
    assert len(remembering[0].normal_rows) == 7 * 2  # of 14 videos every second one is normal, each has two crops
    assert not retest(folder.path, [], None).differing
    assert torch.equal(remembering[1].normal_rows, remembering[0].normal_rows)


@pytest.mark.parametrize("span", ["chunks", "whole", "segments"])
def test_every_snippet_is_scored_whatever_the_span(
    bank: Path, tmp_path: Path, remembering: list[Remembers], span: str
) -> None:
    folder = train(load_config([], settings(bank, tmp_path, f"data.test_span={span}", "data.segments=bins")))
    with np.load(folder.scores, allow_pickle=False) as scores:
        lengths = {name.split("/")[0]: len(scores[name]) for name in scores.files}
    assert sorted(lengths.values())[-1] > 8
    assert lengths == {f"test{i:02d}": 3 + ((i + 100) * 13) % 38 for i in range(8)}


def test_the_floor_is_random_and_repeats(bank: Path, tmp_path: Path) -> None:
    folder = train(load_config([], settings(bank, tmp_path)))
    assert 0.3 < read_json(folder.report)["scores"]["combined"]["auc"] < 0.7
    assert not retest(folder.path, [], None).differing
    again = train(load_config([], settings(bank, tmp_path / "again")))
    assert RunFolder(again.path).report.read_bytes() == folder.report.read_bytes()


@pytest.mark.parametrize(
    ("optim", "factors"),
    [
        ({"schedule": "milestones", "epochs": 10, "milestones": (0.4, 0.8)}, [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01]),
        (
            {"schedule": "cosine", "epochs": 4, "cosine_share": 0.5},
            [0.5 * (1 + np.cos(np.pi * e / 8)) for e in range(4)],
        ),
    ],
)
def test_schedules_of_the_peers(optim: dict, factors: list[float]) -> None:
    assert [rate_factor(Optim(**optim), e) for e in range(len(factors))] == pytest.approx(factors)


def test_adagrad_trains(bank: Path, tmp_path: Path, remembering: list[Remembers]) -> None:
    folder = train(load_config([], settings(bank, tmp_path, "optim.name=adagrad", "optim.learning_rate=0.1")))
    first, last = pd.read_csv(folder.epochs)["loss/total"]
    assert last < first


@pytest.mark.parametrize(
    ("name", "clip", "precision", "fused"),
    [
        ("adam", 0.0, "32-true", True),
        ("adamw", 1.0, "32-true", True),
        ("adam", 0.0, "bf16-mixed", True),
        ("adam", 1.0, "bf16-mixed", False),
        ("adagrad", 0.0, "32-true", False),
        ("sgd", 0.0, "32-true", False),
        ("rmsprop", 0.0, "32-true", False),
    ],
)
def test_the_optimiser_is_one_kernel_where_it_can_be(name: str, clip: float, precision: str, fused: bool) -> None:
    """Lightning refuses to clip gradients of a fused optimiser under mixed precision."""
    optim = Optim(name=name, gradient_clip=clip)
    module = AnomalyModule(Config(optim=optim), model=Remembers())
    trainer: Any = SimpleNamespace(precision=precision)
    module._trainer = trainer
    ((optimizer,), _) = module.configure_optimizers()
    assert bool(optimizer.defaults.get("fused")) is fused


def test_a_step_in_mixed_precision_clips_gradients(bank: Path, tmp_path: Path) -> None:
    options = [
        "benchmark=planted",
        f"data.bank={bank}",
        f"runtime.results={tmp_path}",
        "modalities=va",
        "optim.epochs=1",
    ]
    options += ["optim.gradient_clip=1.0", "runtime.precision=bf16-mixed", "runtime.figures=off", "runtime.device=cpu"]
    assert train(load_config([], options)).finished
