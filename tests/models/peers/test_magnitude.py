"""What RTFM and those that build on it share: norms with dropout, the non-local block."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from torch.nn import functional as F

from mmvad.models.peers import magnitude
from tests.models.peers.drawn import made
from tests.models.peers.properties import bags


@pytest.mark.parametrize("name", ["rtfm", "s3r", "clip_tsa", "mgfn"])
def test_norms_are_dropped_in_training_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []

    def select(features: torch.Tensor, scores: torch.Tensor, batch: object, dropout: float) -> object:
        shares.append(dropout)
        return magnitude.select(features, scores, batch, dropout)  # type: ignore[arg-type]

    monkeypatch.setattr(import_module(f"mmvad.models.peers.{name}.network"), "select", select)
    model, batch = made(name), bags()
    batch = batch._replace(visual=F.pad(batch.visual, (0, 112)))
    if name == "s3r":
        model.dictionary = torch.randn(5, 128)
    model.train()(batch)
    model.eval()(batch)
    assert shares == [0.7, 0.0]


@pytest.mark.parametrize("name", ["rtfm", "s3r", "clip_tsa"])
def test_a_non_local_block_begins_as_the_identity(name: str) -> None:
    norms = [m.norm.norm for m in made(name).modules() if isinstance(m, magnitude.NonLocal)]
    assert norms
    assert not any(norm.weight.any() or norm.bias.any() for norm in norms)
