"""Which rows make a batch, and which videos are held out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.data.sampling import EpochSampler, held_out
from mmvad.errors import UserError

kinds = st.lists(st.booleans(), min_size=1, max_size=60)


def epoch(sampler: EpochSampler, number: int) -> list[list[int]]:
    sampler.set_epoch(number)
    return [batch.tolist() for batch in sampler]


@settings(max_examples=60, deadline=None)
@given(kinds, st.integers(2, 20), st.integers(0, 9), st.integers(0, 9))
def test_every_row_is_shown_once_an_epoch(abnormal: list[bool], size: int, seed: int, number: int) -> None:
    sampler = EpochSampler(np.array(abnormal), size, seed, balanced=False)
    batches = epoch(sampler, number)
    assert len(batches) == len(sampler)
    assert sorted(i for batch in batches for i in batch) == list(range(len(abnormal)))
    assert all(len(batch) == size for batch in batches[:-1])


@settings(max_examples=60, deadline=None)
@given(kinds.filter(lambda k: 0 < sum(k) < len(k)), st.integers(1, 10), st.integers(0, 9), st.integers(0, 9))
def test_balanced_batches_are_half_and_half(abnormal: list[bool], half: int, seed: int, number: int) -> None:
    sampler = EpochSampler(np.array(abnormal), 2 * half, seed, balanced=True)
    batches = epoch(sampler, number)
    assert len(batches) == len(sampler)
    shown: list[int] = []
    for batch in batches:
        assert 2 * sum(abnormal[i] for i in batch) == len(batch) <= 2 * half
        shown += batch
    counts = {kind: [shown.count(i) for i, k in enumerate(abnormal) if k == kind] for kind in (False, True)}
    commoner = max(counts.values(), key=len)
    assert set(commoner) == {1}
    rarer = min(counts.values(), key=len)
    assert min(rarer) >= 1
    assert max(rarer) - min(rarer) <= 1


@pytest.mark.parametrize("balanced", [False, True])
def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else(balanced: bool) -> None:
    abnormal = np.arange(40) % 3 == 0
    orders = {
        (seed, number): epoch(EpochSampler(abnormal, 8, seed, balanced), number)
        for seed in range(4)
        for number in range(4)
    }
    assert len({str(order) for order in orders.values()}) == 16
    used = EpochSampler(abnormal, 8, 2, balanced)
    for number in (0, 3, 1):
        np.random.random(5)  # noqa: NPY002 - chance elsewhere
        list(used)
        assert epoch(used, number) == orders[2, number]


@pytest.mark.parametrize("kind", [True, False])
def test_balance_without_one_kind_is_refused(kind: bool) -> None:
    with pytest.raises(UserError, match=r"data\.balanced"):
        list(EpochSampler(np.full(10, kind), 4, 0, balanced=True))


LABELS = st.lists(st.sampled_from(["normal", "riot", "abuse", "crash"]), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(LABELS, st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.9]), st.integers(0, 9))
def test_held_out_videos_are_a_share_of_every_class(labels: list[str], share: float, seed: int) -> None:
    out = held_out([(label,) for label in labels], share, seed)
    for label in set(labels):
        own = [bool(o) for o, name in zip(out, labels) if name == label]
        if len(own) == 1:
            assert not own[0]
            continue
        assert 1 <= sum(own) < len(own)
        assert sum(own) == pytest.approx(share * len(own), abs=1)


def test_held_out_videos_are_the_same_for_the_same_seed() -> None:
    labels = [("normal",) if i % 2 else ("riot", "abuse") for i in range(60)]
    first = held_out(labels, 0.2, 3)
    assert first.dtype == bool
    assert first.sum() == 12
    np.testing.assert_array_equal(first, held_out(labels, 0.2, 3))
    assert (first != held_out(labels, 0.2, 4)).any()
    assert not held_out(labels, 0.0, 3).any()
