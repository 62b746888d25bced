"""Steps: lengths that whole batches fit in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmvad.data.datamodule import in_steps
from mmvad.data.sampling import EpochSampler
from mmvad.data.steps import fits, steps_of
from mmvad.data.store import FeatureStore, Samples, Sequence2D

LENGTHS = st.lists(st.lists(st.integers(1, 64), min_size=8, max_size=8), min_size=1, max_size=5)


@given(LENGTHS)
def test_every_batch_fits_and_nothing_smaller_would_do(lengths: list[list[int]]) -> None:
    batches = [np.sort(each) for each in lengths]
    steps = steps_of(batches, 64)
    if not steps:
        return
    assert all(fits(each, steps) for each in batches)
    assert list(steps) == sorted(steps)
    for group, step in enumerate(steps):
        assert step % 16 == 0
        assert step - 16 < max(each[2 * group + 1] for each in batches) <= step


def test_steps_by_hand() -> None:
    assert steps_of([np.array([5, 64, 17, 9, 33, 2, 40, 41])], 64) == (16, 32, 48, 64)
    assert steps_of([np.array([60, 64, 64, 64])], 64) == ()  # nothing to save
    assert steps_of([np.array([3, 4, 5])], 64) == ()  # not to be cut in four
    assert steps_of([np.array([3, 4, 5, 64])], 50) == ()
    assert not fits(np.array([3, 20, 30, 64]), (16, 16, 32, 64))
    assert not fits(np.array([3, 4, 5]), (16, 16, 32, 64))


def samples_of(lengths: list[int]) -> Samples:
    rows = np.arange(sum(lengths), dtype=np.float32)[:, None] + 1
    starts = np.cumsum([0, *lengths[:-1]])
    sequences = [Sequence2D(int(s), n) for s, n in zip(starts, lengths, strict=True)]
    labels = torch.eye(2)[torch.arange(len(lengths)) % 2]
    return Samples(FeatureStore(rows, sequences, 64, torch.device("cpu")), None, labels)


def test_batches_come_by_length_with_their_steps_and_labels() -> None:
    lengths = [60, 3, 20, 9, 64, 30, 2, 33] * 4
    samples = samples_of(lengths)
    sampler = EpochSampler(np.arange(32) % 2 == 0, 16, 0, balanced=False)
    stepped = in_steps(samples, sampler)
    assert stepped.steps
    for index in sampler:
        batch, plain = stepped.batch(index), samples.batch(index)
        assert batch.steps == stepped.steps
        counts = batch.mask.sum(dim=1)
        assert counts.tolist() == sorted(plain.mask.sum(dim=1).tolist())
        order = np.argsort([lengths[i] for i in index], kind="stable")
        for name in ("visual", "mask", "labels"):
            assert torch.equal(getattr(batch, name), getattr(plain, name)[order])


@pytest.mark.parametrize("index", [[0, 4, 12, 20], [0, 1, 2]])
def test_a_batch_that_does_not_fit_has_one_step(index: list[int]) -> None:
    samples = samples_of([60, 3, 20, 9, 64, 30, 2, 33] * 4)._replace(steps=(16, 32, 48, 64))
    batch = samples.batch(np.array(index))
    assert batch.steps == (64,)
    assert batch.mask.sum(dim=1).tolist() == sorted(batch.mask.sum(dim=1).tolist())
