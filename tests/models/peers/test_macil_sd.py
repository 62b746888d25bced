"""MACIL-SD against one video at a time and mini-bags as lists; its two networks, their rates and their blending."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.losses.pooling import top_mean
from mmvad.models.model import trainable_parameters
from mmvad.models.peers.macil_sd.network import MacilSd, build
from mmvad.models.peers.macil_sd.settings import MacilSdSettings
from tests.models.peers.drawn import chain
from tests.models.peers.drawn import made as drawn
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.peers import macil_sd as plain
from tests.small import batch

DROPOUT = {
    f"{network}.attend.{place}": 0.1
    for network in ("both", "alone")
    for place in ("attention", "dropout", "ffn.2", "ffn.4")
}
TRACED_BACK = True

LENGTHS = [1, 16, 33, 7, 20]


def made(**changes: object) -> MacilSd:
    torch.manual_seed(0)
    model = build(small_setting(), MacilSdSettings(**changes)).eval()
    with torch.no_grad():  # so that some bags of the batch below are predicted to be abnormal and some not
        data = batch(LENGTHS)
        bags = top_mean(model(data).logits, data.mask)
        model.both.classify.bias.sub_((bags.max() + bags.min()) / 4)
    return model


@pytest.mark.parametrize("swapped", [False, True])
def test_forward_and_losses_against_loops(swapped: bool) -> None:
    model, data = made(swapped=swapped), batch(LENGTHS)
    model.start_epoch(7, 50)
    found = model(data)
    wanted = [plain.forward(model, data.visual[b, :n], data.audio[b, :n]) for b, n in enumerate(LENGTHS)]
    for b, video in enumerate(wanted):
        for ours, theirs in zip(found, video, strict=True):
            torch.testing.assert_close(ours[b, : LENGTHS[b]], theirs, rtol=1e-5, atol=1e-5)
    predicted = [plain.bag_probability(z_v + z_a).item() > 0.5 for _, _, z_v, z_a, _ in wanted]
    assert len(set(predicted)) == 2, "the example must have bags of both kinds"
    theirs = plain.losses(wanted, data.abnormal.tolist(), 0.7, swapped=swapped)
    for name, loss in model.losses(found, data).items():
        torch.testing.assert_close(loss, theirs[name], rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_the_swap_picks_other_rows() -> None:
    data = batch(LENGTHS)
    contrasts = [float(m.losses(m(data), data)["contrast"].detach()) for m in (made(), made(swapped=True))]
    assert abs(contrasts[0] - contrasts[1]) > 1e-3


def test_without_bags_of_both_kinds_there_is_no_contrast() -> None:
    model = made()
    with torch.no_grad():
        model.both.classify.bias.fill_(100)
    data = batch(LENGTHS)
    model.start_epoch(5, 50)
    losses = model.losses(model(data), data)
    losses["total"].backward()
    assert losses["contrast"] == 0
    assert all(p.grad.isfinite().all() for p in model.parameters())


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    model = made()
    model.start_epoch(5, 50)
    assert_padding_changes_nothing(model, lengths, more)


@pytest.mark.parametrize(("visual", "both", "alone"), [(1024, 247_425, 230_913), (512, 181_889, 165_377)])
def test_parameters(visual: int, both: int, alone: int) -> None:
    with torch.device("meta"):
        model = build(small_setting(visual=visual, audio=128), MacilSdSettings())
    assert (trainable_parameters(model.both), trainable_parameters(model.alone)) == (both, alone)


def test_edges_and_learning() -> None:
    model = made()
    model.start_epoch(5, 50)
    assert_strange_bags_are_finite(model.train())
    assert_trains(made(), batch([12, 16, 9, 20]))


def test_each_network_has_its_rate_and_its_own_loss() -> None:
    model, data = made(), batch(LENGTHS)
    rates = {id(p): g["lr"] for g in model.parameter_groups(4e-4) for p in g["params"]}
    assert all(math.isclose(rates[id(p)], 4e-4) for p in model.both.parameters())
    assert all(math.isclose(rates[id(p)], 8e-5) for p in model.alone.parameters())
    losses = model.losses(model(data), data)
    (losses["bag"] + losses["contrast"]).backward(retain_graph=True)
    assert all(p.grad is None for p in model.alone.parameters())
    model.zero_grad()
    losses["alone"].backward()
    assert all(p.grad is None for p in model.both.parameters())


def test_weights_are_blended_by_name_after_an_epoch() -> None:
    model = made()
    before = {name: p.detach().clone() for name, p in model.both.named_parameters()}
    taught = dict(model.alone.named_parameters())
    model.end_epoch(10, 50)
    keep = 1 - 0.045 * (1 + math.cos(math.pi * 10 / 50))
    assert {name for name in before if name not in taught} == {"audio.weight", "audio.bias"}
    for name, now in model.both.named_parameters():
        wanted = keep * before[name] + (1 - keep) * taught[name] if name in taught else before[name]
        torch.testing.assert_close(now, wanted)


def test_contrast_gains_a_tenth_an_epoch_up_to_its_limit() -> None:
    model, weights = made(contrast_weight=0.45), []
    for epoch in range(7):
        model.start_epoch(epoch, 50)
        weights.append(model.weight.item())
    assert weights == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.45, 0.45])


def test_dropout_lies_behind_the_activation() -> None:
    assert chain(drawn("macil_sd"), "both.attend.ffn") == ["Linear", "ReLU", "Dropout", "Linear", "Dropout"]


@pytest.mark.parametrize("initialisation", ["published", "xavier"])
def test_attention_is_drawn(initialisation: str) -> None:
    """Public: one linear layer, copied four times, with its biases."""
    torch.manual_seed(0)
    model = build(small_setting(visual=128), MacilSdSettings(initialisation=initialisation))
    published = initialisation == "published"
    for network in (model.both, model.alone):
        attention = network.attend.attention
        parts = [*attention.in_proj_weight.chunk(3), attention.out_proj.weight]
        biases = [*attention.in_proj_bias.chunk(3), attention.out_proj.bias]
        for found in (parts, biases):
            assert all(torch.equal(part, found[0]) for part in found) is (published or found is biases)
        assert bool(biases[0].any()) is published
        bound = 1 / math.sqrt(128) if published else math.sqrt(6 / (128 + 384))
        assert 0.99 * bound < parts[0].abs().max() <= bound
    first, second = (network.attend.attention.in_proj_weight for network in (model.both, model.alone))
    assert not torch.equal(first, second)
