"""A peer as it is built, before training, and what its own test file says of it: `DROPOUT`, `XAVIER`, `BIASES`, ...

A fact stands as a constant in `test_<peer>.py`; the tests over all peers read it there.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import torch
from torch import nn

from mmvad.models.model import Model
from mmvad.models.peers.registry import Peers
from tests.models.peers.properties import small_setting

MANY = 500
"""Of so many weights the largest is near the bound."""


def said(name: str, fact: str, otherwise: Any = None) -> Any:
    """What the peer's test file says; `otherwise` where it says nothing."""
    return getattr(import_module(f"tests.models.peers.test_{name}"), fact, otherwise)


def made(name: str) -> Model:
    """The peer with its own defaults, for features 128 wide."""
    torch.manual_seed(0)
    network = import_module(f"mmvad.models.peers.{name}.network")
    return network.build(small_setting(visual=128), getattr(Peers(), name, None))


def layers(model: nn.Module) -> dict[str, nn.Linear | nn.Conv1d]:
    """Linear layers and convolutions, less the frozen text tower's."""
    found = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv1d)}
    return {name: layer for name, layer in found.items() if ".tower." not in name}


def chain(model: nn.Module, name: str) -> list[str]:
    """The kinds of a chain's layers, in order."""
    return [type(layer).__name__ for layer in model.get_submodule(name)]


def xavier_scale(layer: nn.Linear | nn.Conv1d) -> float:
    """sqrt(2 / (fan in + fan out)), the deviation that Xavier's weights have."""
    rows, columns, *kernel = layer.weight.shape
    return math.sqrt(2 / ((rows + columns) * math.prod(kernel)))
