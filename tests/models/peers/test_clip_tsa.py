"""CLIP-TSA: the perturbed top-k and its gradient, and the gate before RTFM."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.clip_tsa import network as clip_tsa
from mmvad.models.peers.clip_tsa.network import PerturbedTopK, build
from mmvad.models.peers.clip_tsa.settings import ClipTsaSettings
from tests.models.peers.drawn import xavier_scale
from tests.models.peers.properties import (
    STRANGE,
    TOGETHER,
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    awake,
    bags,
    small_setting,
    valid_rows,
)
from tests.plain.network import linear
from tests.plain.peers import clip_tsa as plain
from tests.plain.peers import rtfm as plain_rtfm
from tests.small import WIDTH

DROPOUT = {"dropout": 0.7, "head.2": 0.7, "head.5": 0.7}
XAVIER = "uniform"
BIASES = False


def network(**changes: object) -> clip_tsa.ClipTsa:
    torch.manual_seed(0)
    made = clip_tsa.ClipTsa(WIDTH, ClipTsaSettings(**({"dropout": 0.0} | changes)))  # type: ignore[arg-type]
    awake(made)
    return made


def test_forward_and_losses_are_the_plain_ones_without_noise() -> None:
    model, batch = network(kept=0.6).eval(), bags()
    gated = []
    for row in valid_rows(batch):
        (hidden,) = plain_rtfm.relu([linear(model.gate.score[0], row)])
        gated.append(plain.kept_rows(row, linear(model.gate.score[2], hidden)[:, 0], 0.6))
    rows = plain_rtfm.temporal(model.temporal, gated)
    scores = plain_rtfm.crop_means([torch.sigmoid(plain_rtfm.head(model.head, row)) for row in rows], batch.crops)
    output = model(batch)
    for found, wanted in zip(model.scores(output).coarse, scores):
        torch.testing.assert_close(found[: len(wanted)], wanted, rtol=1e-5, atol=1e-5)
    wanted = plain_rtfm.losses(scores, rows, batch.crops, [False] * 3 + [True] * 3)
    assert {n: model.losses(output, batch)[n].item() for n in wanted} == pytest.approx(wanted, rel=1e-5)


def test_perturbed_top_k_and_its_gradient_are_the_plain_ones() -> None:
    torch.manual_seed(1)
    scores, noise = torch.rand(2, 6, requires_grad=True), torch.randn(9, 2, 6)
    gradient = torch.randn(2, 6)
    weights = PerturbedTopK.apply(scores, torch.tensor([2, 4]), noise, 0.3)
    weights.backward(gradient)
    for r, kept in enumerate((2, 4)):
        given = scores[r].detach(), kept, noise[:, r], 0.3
        torch.testing.assert_close(weights[r], plain.weights(*given))
        torch.testing.assert_close(scores.grad[r], gradient[r] @ plain.jacobian(*given))


def test_the_gradient_is_that_of_the_expectation() -> None:
    """Against differences of the mean over many choices."""
    torch.manual_seed(2)
    noise, kept = torch.randn(400_000, 1, 3), torch.tensor([1])
    scores, step = torch.tensor([[0.5, 0.45, 0.3]], requires_grad=True), 0.02

    def first(shift: list[float]) -> float:
        return PerturbedTopK.apply(scores.detach() + torch.tensor([shift]), kept, noise, 0.1)[0, 0].item()

    PerturbedTopK.apply(scores, kept, noise, 0.1)[0, 0].backward()
    for u in range(3):
        shift = [step * (u == i) for i in range(3)]
        difference = (first(shift) - first([-s for s in shift])) / (2 * step)
        assert scores.grad[0, u].item() == pytest.approx(difference, abs=0.06)


def test_the_gate_in_training_is_the_plain_one_on_scores_in_0_to_1() -> None:
    """Of the noise that is drawn; it is small against scores in 0..1, not against logits."""
    model, batch = network(kept=0.6, samples=20, noise=0.3).train(), bags(crops=1)
    torch.manual_seed(4)
    noise = torch.randn(20, *batch.mask.shape)
    torch.manual_seed(4)
    found = model.gate(batch.visual, batch.mask)
    for r, row in enumerate(valid_rows(batch)):
        (hidden,) = plain_rtfm.relu([linear(model.gate.score[0], row)])
        scores = torch.sigmoid(linear(model.gate.score[2], hidden)[:, 0])
        n = len(row)
        torch.testing.assert_close(found[r, :n], plain.weights(scores, max(1, int(0.6 * n)), noise[:, r, :n], 0.3))


@pytest.mark.parametrize(("segments", "kept"), [(32, 30), (1, 1), (20, 19), (1200, 1000)])
def test_as_many_pass_the_gate_as_published(segments: int, kept: int) -> None:
    model = network().eval()
    batch = bags((segments, segments), crops=1)
    weights = model.gate(batch.visual, batch.mask)
    assert weights.sum(dim=1).tolist() == [kept, kept]
    assert set(weights.unique().tolist()) <= {0.0, 1.0}


def test_noise_in_training_alone() -> None:
    model, batch = network(), bags((24, 24), crops=1)
    gates = [model.train().gate(batch.visual, batch.mask) for _ in range(2)]
    assert not torch.equal(*gates)
    for gate in gates:
        torch.testing.assert_close(gate.sum(dim=1), torch.tensor([22.0, 22.0]))
    assert torch.equal(*(model.eval()(batch).scores for _ in range(2)))


def test_the_gate_learns_from_the_losses() -> None:
    model, batch = network(kept=0.5).train(), bags()
    model.losses(model(batch), batch)["total"].backward()
    assert all(p.grad.any() for p in model.gate.parameters())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(0, 30))
def test_padding_changes_nothing(lengths: list[int], extra: int) -> None:
    """With noise too small to tell: draws for padding shift those behind them."""
    assert_padding_changes_nothing(network(noise=1e-9), lengths, extra, TOGETHER, rtol=1e-4)


def test_no_noise_reaches_padding() -> None:
    model, batch = network().train(), bags((8, 30), crops=1)
    assert not model.gate(batch.visual, batch.mask)[~batch.mask].any()


def test_one_kind_one_crop_one_segment() -> None:
    assert_strange_bags_are_finite(network(dropout=0.7), TOGETHER, STRANGE)


def test_it_learns() -> None:
    assert_trains(network(), bags())


@pytest.mark.parametrize(
    ("width", "count"), [(512, 1_678_722), (2048, 1_678_722 + 2048 * 1024 + 1024 + 1024 * 512 + 512)]
)
def test_as_many_parameters_as_published(width: int, count: int) -> None:
    """2,728,834 at 512 in the public code: with the layers for wide features, which it makes and never calls there."""
    assert 1_678_722 + 512 * 1024 + 1024 + 1024 * 512 + 512 == 2_728_834
    with torch.device("meta"):
        assert trainable_parameters(clip_tsa.ClipTsa(width, ClipTsaSettings())) == count


def test_wide_features_are_narrowed() -> None:
    model = clip_tsa.ClipTsa(1024, ClipTsaSettings()).eval()
    batch = bags((3, 3), crops=1)
    wide = batch._replace(visual=batch.visual.repeat(1, 1, 64))
    assert model(wide).features.shape == (2, 1, 3, 512)


@pytest.mark.parametrize(("narrowing", "bias"), [("published", True), ("xavier", False)])
def test_narrowing_layers_are_drawn(narrowing: str, bias: bool) -> None:
    """The public code draws them as torch does: uniform up to 1 / sqrt(fan in), which xavier does for the others."""
    torch.manual_seed(0)
    model = build(small_setting(visual=1024), ClipTsaSettings(narrowing=narrowing))
    for layer in (model.narrow[0], model.narrow[2]):
        bound = 1 / math.sqrt(layer.in_features) if bias else math.sqrt(3) * xavier_scale(layer)
        assert 0.99 * bound < layer.weight.abs().max() <= bound
        assert bool(layer.bias.any()) is bias
    torch.manual_seed(0)
    other = build(small_setting(visual=1024), ClipTsaSettings(narrowing="xavier"))
    same = [bool((a == b).all()) for a, b in zip(model.temporal.parameters(), other.temporal.parameters(), strict=True)]
    assert all(same), "what else is drawn does not depend on it"
