"""The losses against loops over videos, segments and classes, values and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmvad.models.dual_stream import Output
from mmvad.models.losses.objective import (
    coarse_loss,
    embed_loss,
    fine_loss,
    objective,
)
from mmvad.models.model import Batch
from tests.plain import objectives as plain
from tests.small import (
    CLASSES,
    WIDTH,
    batch,
    losses,
)

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


@pytest.mark.parametrize("form", ["abs", "hinge"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("videos", [1, 3])
def test_embed(form: str, reduction: str, videos: int) -> None:
    text = random(videos, CLASSES, WIDTH).requires_grad_()
    assert_equal(embed_loss(text, form, reduction), plain.embed(text, form, reduction), text)


def test_embed_of_known_angles() -> None:
    """The normal class along x; one class along it, one across, one against: cosines 1, 0, -1."""
    text = torch.tensor([[[2.0, 0], [3, 0], [0, 1], [-5, 0]]])
    found = {(f, r): embed_loss(text, f, r).item() for f in ("abs", "hinge") for r in ("mean", "sum")}
    assert found == pytest.approx(
        {("abs", "mean"): 2 / 3, ("abs", "sum"): 2.0, ("hinge", "mean"): 1 / 3, ("hinge", "sum"): 1.0}
    )


def output(lengths: list[int], length: int, seed: int = 0) -> Output:
    count = len(lengths)
    return Output(
        random(count, length, WIDTH, seed=seed).requires_grad_(),
        (2 * random(count, length, seed=seed + 1)).requires_grad_(),
        (3 * random(count, length, CLASSES, seed=seed + 2)).requires_grad_(),
        random(count, CLASSES, WIDTH, seed=seed + 3).requires_grad_(),
    )


@pytest.mark.parametrize("pairing", ["within_kind", "foreground"])
@pytest.mark.parametrize("select", ["score", "label"])
@pytest.mark.parametrize("lambdas", [(0.15, 2e-4), (0.1, 0.1), (0.0, 0.0)])
def test_total(pairing: str, select: str, lambdas: tuple[float, float]) -> None:
    lengths = [3, 17, 33, 20, 1]
    videos, out = batch(lengths, 40), output(lengths, 40)
    chosen = losses(
        contrast_pairing=pairing, contrast_select=select, lambda_contrast=lambdas[0], lambda_embed=lambdas[1]
    )
    found = objective(out, videos, chosen)
    p, abnormal = torch.sigmoid(out.logits), videos.abnormal.tolist()
    assert abnormal == [True, False, True, False, True]
    kinds = plain.kinds(p, lengths, abnormal, select)
    assert len(set(kinds)) == 2
    parts = {
        "coarse": plain.coarse(p, lengths, abnormal),
        "contrast": plain.contrast(out.features, p.detach(), lengths, kinds, pairing),
        "fine": plain.fine(out.alignment, lengths, videos.labels, "cross_entropy", "margin"),
        "embed": plain.embed(out.text, "abs", "mean"),
    }
    for name, value in parts.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-5, msg=name)
    wanted = plain.total(**parts, lambda1=lambdas[0], lambda2=lambdas[1])
    assert_equal(found["total"], wanted, out.features, out.logits, out.alignment, out.text)


def test_lambdas_weigh_the_total_and_not_the_parts() -> None:
    videos, out = batch([3, 17]), output([3, 17], 17)
    one = objective(out, videos, losses(lambda_contrast=0.0, lambda_embed=0.0))
    other = objective(out, videos, losses(lambda_contrast=2.0, lambda_embed=3.0))
    for name in ("coarse", "fine", "contrast", "embed"):
        assert torch.equal(one[name], other[name])
    difference = 2 * one["contrast"] + 3 * one["embed"]
    torch.testing.assert_close(other["total"] - one["total"], difference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pairing", ["within_kind", "foreground"])
@pytest.mark.parametrize("select", ["score", "label"])
@pytest.mark.parametrize("kind", ["normal", "abnormal"])
def test_a_batch_of_one_kind(pairing: str, select: str, kind: str) -> None:
    lengths = [1, 20, 16]
    videos = batch(lengths, labels=[[0 if kind == "normal" else 2]] * 3)
    out = output(lengths, 20)
    logits = (out.logits.detach().abs() * (-5 if kind == "normal" else 5)).requires_grad_()
    out = Output(out.features, logits, out.alignment, out.text)
    found = objective(out, videos, losses(contrast_pairing=pairing, contrast_select=select))
    assert found["contrast"] == 0
    found["total"].backward()
    for x in (out.features, out.logits, out.alignment, out.text):
        assert x.grad is not None
        assert x.grad.isfinite().all()
    assert not out.features.grad.any()


@pytest.mark.parametrize("extreme", [-200.0, 200.0, 1e4, -1e4])
def test_saturated_scores_keep_losses_and_gradients_finite(extreme: float) -> None:
    lengths = [5, 20]
    videos, out = batch(lengths), output(lengths, 20)
    logits = torch.full_like(out.logits, extreme).requires_grad_()
    alignment = (out.alignment.detach() * abs(extreme)).requires_grad_()
    for form in ("cross_entropy", "bce"):
        found = objective(Output(out.features, logits, alignment, out.text), videos, losses(fine_form=form))
        assert all(loss.isfinite() for loss in found.values())
        grads = torch.autograd.grad(found["total"], (out.features, logits, alignment, out.text))
        assert all(grad.isfinite().all() for grad in grads)


def test_without_text_there_is_neither_fine_nor_embedding_loss() -> None:
    videos, out = batch([3, 17]), output([3, 17], 17)
    assert set(objective(Output(out.features, out.logits, None, None), videos, losses())) == {
        "coarse",
        "contrast",
        "total",
    }


def test_losses_are_float32_whatever_the_network_ran_in() -> None:
    videos, out = batch([3, 17]), output([3, 17], 17)
    half = Output(
        *(x.detach().bfloat16().requires_grad_() for x in (out.features, out.logits, out.alignment, out.text))
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = objective(half, videos, losses())
    again = Output(*(x.detach().float() for x in (half.features, half.logits, half.alignment, half.text)))
    wanted = objective(again, videos, losses())
    for name, loss in found.items():
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, wanted[name], rtol=1e-5, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(4)), st.sampled_from(["within_kind", "foreground"]), st.integers(0, 50))
def test_the_order_of_the_videos_changes_no_loss(order: list[int], pairing: str, seed: int) -> None:
    lengths = [1, 17, 33, 20]
    videos, out = batch(lengths, 33), output(lengths, 33, seed)
    again = objective(
        Output(out.features[order], out.logits[order], out.alignment[order], out.text[order]),
        Batch(*(None if x is None else x[order] for x in videos[:5])),
        losses(contrast_pairing=pairing),
    )
    for name, loss in objective(out, videos, losses(contrast_pairing=pairing)).items():
        torch.testing.assert_close(again[name], loss, rtol=1e-5, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(LENGTHS, st.integers(1, 40), st.sampled_from(["within_kind", "foreground"]))
def test_padding_changes_no_loss_and_gets_no_gradient(lengths: list[int], more: int, pairing: str) -> None:
    length = max(lengths)
    videos, longer = batch(lengths), batch(lengths, length + more)
    long = output(lengths, length + more)
    short = Output(*(x.detach()[:, :length] for x in (long.features, long.logits, long.alignment)), long.text)
    chosen = losses(contrast_pairing=pairing)
    found = objective(long, longer, chosen)
    for name, loss in objective(short, videos, chosen).items():
        torch.testing.assert_close(found[name], loss, rtol=1e-5, atol=1e-5)
    found["total"].backward()
    for x in (long.features, long.logits, long.alignment):
        assert x.grad is not None
        assert not x.grad[~longer.mask].any()
