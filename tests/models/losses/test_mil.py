"""The coarse and the fine loss against loops over videos, segments and classes, values and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.losses.mil import coarse_loss, fine_loss
from tests.models.losses.made import LENGTHS, assert_equal, mask_of, random
from tests.plain import objectives as plain
from tests.small import CLASSES, batch


@settings(max_examples=25, deadline=None)
@given(LENGTHS, st.integers(0, 5), st.integers(0, 100))
def test_coarse(lengths: list[int], more: int, seed: int) -> None:
    length = max(lengths) + more
    logits = (2 * random(len(lengths), length, seed=seed)).requires_grad_()
    abnormal = [(b + seed) % 2 == 0 for b in range(len(lengths))]
    ours = coarse_loss(torch.sigmoid(logits), mask_of(lengths, length), torch.tensor(abnormal))
    assert_equal(ours, plain.coarse(torch.sigmoid(logits), lengths, abnormal), logits)


@pytest.mark.parametrize("pooling", ["margin", "class"])
@pytest.mark.parametrize("form", ["cross_entropy", "bce"])
@settings(max_examples=15, deadline=None)
@given(LENGTHS, st.integers(0, 5), st.integers(0, 100))
def test_fine(form: str, pooling: str, lengths: list[int], more: int, seed: int) -> None:
    length = max(lengths) + more
    alignment = (3 * random(len(lengths), length, CLASSES, seed=seed)).requires_grad_()
    labels = batch(lengths).labels.roll(seed % 4, dims=0)
    ours = fine_loss(alignment, mask_of(lengths, length), labels, form, pooling)
    assert_equal(ours, plain.fine(alignment, lengths, labels, form, pooling), alignment)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100))
def test_fine_margin_leaves_alone_what_is_in_no_class_of_the_top(seed: int) -> None:
    """An abnormal video of three classes and 40 segments: outside the classes' tops no segment's M has a gradient.

    The classes' own columns would push the normal class down in its top-k, wherever that lies.
    """
    alignment = (3 * random(1, 40, 3, seed=seed)).requires_grad_()
    labels, mask = torch.tensor([[0, 1.0, 0]]), mask_of([40], 40)
    margin = (alignment[..., 1:] - alignment[..., :1]).detach()
    chosen = torch.zeros(40, dtype=torch.bool)
    chosen[margin.topk(3, dim=1).indices.flatten()] = True
    found = {
        pooling: torch.autograd.grad(fine_loss(alignment, mask, labels, "cross_entropy", pooling), alignment)[0][0]
        for pooling in ("margin", "class")
    }
    assert not found["margin"][~chosen].any()
    assert found["margin"][chosen].any(dim=-1).all()
    tops = alignment[0, :, 0].topk(3).indices
    assert (found["class"][tops, 0] > 0).all()


def test_fine_divides_a_label_of_three_classes_by_three() -> None:
    """`B1-B2-G` against a uniform prediction: log C, whatever the number of labels."""
    labels = torch.tensor([[0, 1, 1, 0, 0, 0, 1.0]])
    loss = fine_loss(torch.zeros(1, 4, 7), mask_of([4], 4), labels, "cross_entropy", "class")
    torch.testing.assert_close(loss, torch.tensor(math.log(7)))
