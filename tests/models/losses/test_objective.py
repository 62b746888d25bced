"""The objective against the plain total, values and gradients; and a term that is not the paper's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmvad.models.dual_stream import Output
from mmvad.models.losses.objective import Weighted, objective, terms_of, weights_of
from mmvad.models.losses.settings import Loss
from mmvad.models.model import Batch
from tests.models.losses.made import LENGTHS, assert_equal, random
from tests.plain import objectives as plain
from tests.small import CLASSES, WIDTH, batch, losses


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


def step(output: Output, batch: Batch, settings: Loss) -> Tensor:
    return (output.logits[:, 1:] - output.logits[:, :-1]).square().mean()


def test_a_further_term_is_added_behind_the_papers() -> None:
    videos, out = batch([3, 17]), output([3, 17], 17)
    terms = (*terms_of(losses()), Weighted("step", step, 0.5, reads_text=False))
    found, without = (objective(out, videos, losses(), some) for some in (terms, terms[:-1]))
    assert list(found) == ["coarse", "contrast", "fine", "embed", "step", "total"]
    assert torch.equal(found["step"], step(out, videos, losses()))
    torch.testing.assert_close(found["total"], without["total"] + 0.5 * found["step"])


def test_the_weights_of_the_coarse_and_the_fine_loss() -> None:
    videos, out = batch([3, 17]), output([3, 17], 17)
    found = objective(out, videos, losses(weights={"coarse": 0.5, "fine": 3}))
    plainly = objective(out, videos, losses())
    for name in ("coarse", "fine", "contrast", "embed"):
        assert torch.equal(found[name], plainly[name])
    difference = 2 * found["fine"] - 0.5 * found["coarse"]
    torch.testing.assert_close(found["total"] - plainly["total"], difference, rtol=1e-4, atol=1e-5)


def test_weights_of_a_buffer_are_those_that_count() -> None:
    videos, out = batch([3, 17]), output([3, 17], 17)
    terms = terms_of(losses())
    handed = objective(out, videos, losses(), terms, weights_of(terms_of(losses(lambda_contrast=2.0))))
    assert torch.equal(handed["total"], objective(out, videos, losses(lambda_contrast=2.0))["total"])
