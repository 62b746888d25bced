"""The size of a bag and the mean of its highest scores, against sorting."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmvad.models.losses.pooling import chosen_first, largest_top_k, mean_where, pairs_of, top_k, top_mean
from tests.plain import objectives as plain


def mask_of(lengths: list[int], length: int) -> Tensor:
    return torch.arange(length) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize(("n", "k"), [(1, 1), (15, 1), (16, 2), (31, 2), (32, 3), (255, 16), (256, 17)])
def test_bag_size(n: int, k: int) -> None:
    assert plain.k_of(n) == k
    assert top_k(mask_of([n], 256)).tolist() == [k]
    assert largest_top_k(n) == k


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


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_pairs_are_those_of_two_lists(kinds: list[bool]) -> None:
    abnormal = torch.tensor(kinds)
    pairs = pairs_of(abnormal)
    wanted = list(zip([i for i, a in enumerate(kinds) if a], [i for i, a in enumerate(kinds) if not a]))
    found = zip(pairs.abnormal[pairs.taken].tolist(), pairs.normal[pairs.taken].tolist())
    assert list(found) == wanted
    assert chosen_first(abnormal).tolist() == sorted(range(len(kinds)), key=lambda i: not kinds[i])


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_mean_where_is_the_mean_of_the_rows_that_are_taken(taken: list[bool]) -> None:
    chosen, values = torch.tensor(taken), torch.arange(3.0 * len(taken)).reshape(-1, 3)
    wanted = values[chosen].mean() if chosen.any() else torch.zeros(())
    torch.testing.assert_close(mean_where(values, chosen), wanted)
