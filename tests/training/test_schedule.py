"""The learning rate over the training: warm-up, and by steps as by epochs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.config.optim import Optim
from mmvad.training.schedule import rate_factor
from mmvad.training.train import train
from tests.runs import configured, epochs


def factors(length: int, stages: int = 1, **optim: object) -> list[float]:
    settings = Optim(**{"schedule": "constant", "epochs": length, **optim})  # type: ignore[arg-type]
    return [rate_factor(settings, at, length, stages) for at in range(length)]


def test_a_warm_up_rises_in_equal_steps_to_the_schedule() -> None:
    assert factors(8, warmup=0.5) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])
    assert factors(8, warmup=0.0) == [1.0] * 8
    cosine, warm = factors(8, schedule="cosine"), factors(8, schedule="cosine", warmup=0.25)
    assert warm[2:] == cosine[2:]
    assert warm[:2] == pytest.approx([cosine[0] / 3, 2 * cosine[1] / 3])


def test_every_stage_warms_up_anew() -> None:
    assert factors(8, stages=2, warmup=0.5) == pytest.approx([1 / 3, 2 / 3, 1, 1] * 2)


def test_by_steps_an_epoch_begins_where_it_does_by_epochs() -> None:
    optim = Optim(schedule="cosine", epochs=5)
    assert [rate_factor(optim, 7 * e, 7 * 5) for e in range(5)] == pytest.approx(
        [rate_factor(optim, e) for e in range(5)]
    )


def test_runs_by_steps_and_with_a_warm_up(bank: Path, tmp_path: Path) -> None:
    """28 training crops in batches of 8 are 4 steps an epoch, 12 in all; half of them rise to 0.001."""
    more = ("optim.schedule=constant", "optim.schedule_by=steps", "optim.warmup=0.5")
    rates = [row["learning_rate"] for row in epochs(train(configured(bank, tmp_path, *more)))]
    assert rates == pytest.approx([1e-3 / 7, 1e-3 * 5 / 7, 1e-3])
