"""What every peer is made of before training: where dropout lies, and how weights are drawn.

What is right for a peer stands in its own test file (tests/models/peers/drawn.py).
"""

from __future__ import annotations

import math

import pytest
from torch import nn

from mmvad.models.peers.registry import PEERS
from tests.models.peers.drawn import MANY, layers, made, said, xavier_scale

XAVIER = [name for name in PEERS if said(name, "XAVIER")]
"""Others keep what torch draws, but for what their own tests say."""


@pytest.mark.parametrize("name", PEERS)
def test_dropout(name: str) -> None:
    model = made(name)
    found = {n: m.p for n, m in model.named_modules() if isinstance(m, nn.Dropout) and m.p}
    inside = {n: m.dropout for n, m in model.named_modules() if isinstance(m, nn.MultiheadAttention) and m.dropout}
    assert found | inside == said(name, "DROPOUT", {})


@pytest.mark.parametrize("name", XAVIER)
def test_xavier(name: str) -> None:
    """A uniform draw ends at 1.73 deviations; a normal one goes on."""
    for position, layer in layers(made(name)).items():
        bound, largest = math.sqrt(3) * xavier_scale(layer), layer.weight.abs().max()
        if said(name, "XAVIER") == "uniform":
            assert largest <= bound, position
            assert layer.weight.numel() < MANY or largest > 0.95 * bound, position
        elif layer.weight.numel() >= MANY:
            assert layer.weight.std().item() == pytest.approx(xavier_scale(layer), rel=0.05)
            assert largest > 2.5 * xavier_scale(layer)


@pytest.mark.parametrize("name", XAVIER)
def test_biases_begin_at_zero_or_as_torch_draws_them(name: str) -> None:
    for position, layer in layers(made(name)).items():
        if layer.bias is not None:
            assert bool(layer.bias.any()) is said(name, "BIASES", True), position
