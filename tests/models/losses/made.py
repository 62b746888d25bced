"""What tests of losses share: lengths, masks, random numbers, and equality of values and gradients."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=4)


def mask_of(lengths: list[int], length: int) -> Tensor:
    return torch.arange(length) < torch.tensor(lengths)[:, None]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_equal(ours: Tensor, theirs: Tensor, *inputs: Tensor) -> None:
    """Values, and gradients with respect to the inputs."""
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    for x in inputs:
        pair = [
            torch.autograd.grad(loss, x, allow_unused=True, retain_graph=True, materialize_grads=True)[0]
            for loss in (ours, theirs)
            if loss.requires_grad
        ]
        torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-5)
