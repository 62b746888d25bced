"""The size of a bag and the mean of its highest scores, against sorting."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmvad.bags import bag_size, largest_bag, top_mean
from tests.plain import objectives as plain


def mask_of(lengths: list[int], length: int) -> Tensor:
    return torch.arange(length) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize(("n", "k"), [(1, 1), (15, 1), (16, 2), (31, 2), (32, 3), (255, 16), (256, 17)])
def test_bag_size(n: int, k: int) -> None:
    assert plain.k_of(n) == k
    assert bag_size(mask_of([n], 256)).tolist() == [k]
    assert largest_bag(n) == k


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=4), st.integers(0, 20), st.integers(0, 100))
def test_top_mean(lengths: list[int], more: int, seed: int) -> None:
    length = max(lengths) + more
    scores = torch.randn(len(lengths), length, 3, generator=torch.Generator().manual_seed(seed))
    scores[~mask_of(lengths, length)] = 1e6
    found = top_mean(scores, mask_of(lengths, length))
    one = top_mean(scores[..., 0], mask_of(lengths, length))
    for b, n in enumerate(lengths):
        for c in range(3):
            wanted = plain.top_k_mean([scores[b, t, c] for t in range(n)])
            torch.testing.assert_close(found[b, c], wanted)
    torch.testing.assert_close(one, found[:, 0])
