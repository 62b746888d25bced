"""What the bench does on a GPU, run here on the CPU in small: its steps."""

from __future__ import annotations

import pytest
import torch

from mmvad.system.device import training_device
from tools.bench.gpu import FORMS, gpu_rows
from tools.bench.made import configuration
from tools.bench.training import CROPS, drawn_samples, train_steps

SMALL = ("data.segment_length=64", "model.text.architecture=tiny", "data.batch_size=4")
CPU = torch.device("cpu")


@pytest.mark.slow
def test_rows_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms of a step and of a bank, compiled once."""
    pair = ("graphs", "not compiled, bank in RAM")
    monkeypatch.setattr("tools.bench.gpu.FORMS", {name: FORMS[name] for name in pair})
    rows = list(gpu_rows(True, training_device("cpu", "auto", 1), ("xd_violence",)))
    assert [row.name.split(", ", 2)[2] for row in rows] == list(pair)
    for row in rows:
        assert row.seconds > 0
        assert row.plain_seconds == pytest.approx(row.ratio * row.seconds)
        assert row.flops > 1e9


def test_steps_are_timed_without_the_warm_ones() -> None:
    position = training_device("cpu", "auto", 1)
    spent = train_steps(configuration("xd_violence", *SMALL), position, warm=2, steps=2)
    assert 0 < spent.seconds < 30
    assert spent.first > 0
    assert spent.memory == 0


def test_no_end_of_an_epoch_is_timed() -> None:
    config = configuration("xd_violence", *SMALL, "data.batch_size=128", "data.crops=together")
    with pytest.raises(ValueError, match="an epoch of dual_stream has 26"):
        train_steps(config, training_device("cpu", "auto"), warm=6, steps=21)


def test_drawn_samples_are_as_the_configuration_wants_them() -> None:
    samples = drawn_samples(configuration("ucf_crime", *SMALL), CPU)
    assert samples.audio is None
    assert samples.labels.shape[1] == 14
    assert int((samples.labels[:, 0] == 1).sum()) == len(samples.labels) // 2
    together = drawn_samples(configuration("xd_violence", *SMALL, "data.crops=together"), CPU)
    assert (together.crops, len(together.labels) % CROPS) == (CROPS, 0)
