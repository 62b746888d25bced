"""The contrastive constraint against loops over mini-bags, values and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmvad.models.losses import contrast
from mmvad.models.losses.contrast import contrast_loss, mini_bags
from tests.plain import objectives as plain

PAIRINGS = ("within_kind", "foreground")


def example(lengths: list[int], length: int, seed: int = 0, garbage: float = 1e3) -> tuple[Tensor, Tensor, Tensor]:
    """Features, scores, mask; padding holds garbage, and scores that would be chosen first."""
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(len(lengths), length, 6, generator=draw)
    scores = torch.rand(len(lengths), length, generator=draw)
    mask = torch.arange(length) < torch.tensor(lengths)[:, None]
    features[~mask] *= garbage
    scores[~mask] = torch.where(torch.rand(int((~mask).sum()), generator=draw) > 0.5, 5.0, -5.0)
    return features, scores, mask


def both(features: Tensor, scores: Tensor, mask: Tensor, kinds: list[bool], pairing: str) -> tuple[Tensor, Tensor]:
    lengths = mask.sum(dim=1).tolist()
    ours = contrast_loss(features, scores, mask, torch.tensor(kinds), pairing)
    return ours, plain.contrast(features, scores, lengths, kinds, pairing)


@pytest.mark.parametrize("pairing", PAIRINGS)
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=5),
    st.integers(0, 20),
    st.integers(0, 1000),
)
def test_equals_the_loops(pairing: str, videos: list[tuple[int, bool]], more: int, seed: int) -> None:
    lengths, kinds = [n for n, _ in videos], [kind for _, kind in videos]
    features, scores, mask = example(lengths, max(lengths) + more, seed)
    features.requires_grad_()
    ours, theirs = both(features, scores, mask, kinds, pairing)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    (grad,) = torch.autograd.grad(ours, features)
    assert not grad[~mask].any()
    if theirs.requires_grad:
        (wanted,) = torch.autograd.grad(theirs, features, materialize_grads=True)
        torch.testing.assert_close(grad, wanted, rtol=1e-4, atol=1e-5)
    else:
        assert not grad.any()


def test_one_video_of_each_kind_by_hand() -> None:
    """Two segments each, k = 1; abnormal top along x, its bottom at 60 degrees; normal ones along y and -x."""
    half = math.sqrt(3) / 2
    features = torch.tensor([[[1.0, 0], [0.5, half]], [[0, 2.0], [-3.0, 0]]])
    scores = torch.tensor([[0.9, 0.2], [0.4, 0.1]])
    mask = torch.ones(2, 2, dtype=torch.bool)
    e = lambda cosine: math.exp(cosine / 0.1)  # noqa: E731
    abnormal = -math.log(e(0.5) / (e(0.5) + e(0.0) + e(-1.0)))
    normal = -math.log(e(0.0) / (e(0.0) + e(0.0) + e(half)))
    found = contrast_loss(features, scores, mask, torch.tensor([True, False]), "within_kind")
    assert found.item() == pytest.approx(abnormal + normal, rel=1e-5)


def test_one_alone_of_its_kind_has_no_foreground_positive() -> None:
    features, scores, mask = example([5, 5], 5)
    assert contrast_loss(features, scores, mask, torch.tensor([True, False]), "foreground") == 0


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 31, 32, 40])
def test_mini_bags_hold_the_k_highest_and_lowest(n: int) -> None:
    features, scores, mask = example([n, 40], 44)
    bags = mini_bags(features, scores, mask)
    k = n // 16 + 1
    assert bags.taken[0].tolist() == [True] * k + [False] * (bags.taken.shape[1] - k)
    ((top, bottom), _) = plain.bags(scores, [n, 40])
    for i in range(k):
        torch.testing.assert_close(bags.top[0, i], features[0, top[i]] / features[0, top[i]].norm())
        torch.testing.assert_close(bags.bottom[0, i], features[0, bottom[i]] / features[0, bottom[i]].norm())


@pytest.mark.parametrize("kinds", [[True, False], [False, True]])
def test_a_segment_is_never_its_own_positive(kinds: list[bool]) -> None:
    """A video of one segment has it as top and as bottom: it makes no query, but stays a negative."""
    features, scores, mask = example([1, 20], 20)
    found = contrast_loss(features, scores, mask, torch.tensor(kinds), "within_kind")
    lone = features[0, 0]
    (_, (top, bottom)) = plain.bags(scores, [1, 20])
    pairs = [(features[1, i], features[1, j]) for i, j in zip(top, bottom)]
    torch.testing.assert_close(found, plain.info_nce(pairs, [lone, lone]), rtol=1e-5, atol=1e-5)


def test_only_videos_of_one_segment() -> None:
    features, scores, mask = example([1, 1, 1], 3)
    features.requires_grad_()
    found = contrast_loss(features, scores, mask, torch.tensor([True, False, True]), "within_kind")
    found.backward()
    assert found == 0
    assert features.grad is not None
    assert not features.grad.any()


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("kind", [True, False])
def test_one_kind_alone_gives_zero_with_a_gradient_of_zero(pairing: str, kind: bool) -> None:
    features, scores, mask = example([1, 20, 33], 40)
    features.requires_grad_()
    found = contrast_loss(features, scores, mask, torch.tensor([kind] * 3), pairing)
    assert found == 0
    assert found.requires_grad
    found.backward()
    assert features.grad is not None
    assert not features.grad.any()


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_selection_has_no_gradient(pairing: str) -> None:
    features, scores, mask = example([3, 20], 20)
    scores.requires_grad_()
    features.requires_grad_()
    contrast_loss(features, scores, mask, torch.tensor([True, False]), pairing).backward()
    assert scores.grad is None


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_features_of_zero_and_equal_scores_are_finite(pairing: str) -> None:
    features = torch.zeros(4, 20, 6, requires_grad=True)
    mask = torch.ones(4, 20, dtype=torch.bool)
    found = contrast_loss(features, torch.full((4, 20), 0.5), mask, torch.tensor([True, False, True, False]), pairing)
    found.backward()
    assert found.isfinite()
    assert features.grad is not None
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_length_of_features_does_not_matter(pairing: str) -> None:
    features, scores, mask = example([3, 20, 30], 30)
    kinds = torch.tensor([True, False, True])
    scale = 0.1 + torch.rand(3, 30, 1, generator=torch.Generator().manual_seed(1))
    one, other = (contrast_loss(f, scores, mask, kinds, pairing) for f in (features, features * scale))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("kinds", [[True, False, True, False, True], [True] * 4 + [False], [True] * 5])
def test_what_packs_and_what_masks_is_the_same(
    pairing: str, kinds: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values and gradients of the form for the CPU and of that for fixed shapes."""
    features, scores, mask = example([1, 40, 17, 33, 16], 48, garbage=1.0)
    found = []
    for packs in (True, False):
        monkeypatch.setattr(contrast, "packs", lambda x, packs=packs: packs)
        x = features.clone().requires_grad_()
        loss = contrast_loss(x, scores, mask, torch.tensor(kinds), pairing)
        loss.backward()
        found.append((loss.detach(), x.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)
