"""Sultani et al.: the ranking loss over all pairs, and which weights decay."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.sultani import network as sultani
from mmvad.models.peers.sultani.settings import SultaniSettings
from tests.models.peers.drawn import chain
from tests.models.peers.drawn import made as drawn
from tests.models.peers.properties import (
    TOGETHER,
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    awake,
    bags,
    valid_rows,
)
from tests.plain.peers import sultani as plain
from tests.small import WIDTH

DROPOUT = {"layers.2": 0.6, "layers.4": 0.6}
XAVIER = "normal"
BIASES = False


def network(dropout: float = 0.0) -> sultani.Sultani:
    torch.manual_seed(0)
    made = sultani.Sultani(WIDTH, SultaniSettings(dropout=dropout))
    awake(made)
    return made


def test_forward_and_losses_are_the_plain_ones() -> None:
    model, batch = network(), bags(crops=1)
    wanted = [plain.scores(model.layers, row) for row in valid_rows(batch)]
    output = model(batch)
    for found, row in zip(model.scores(output).coarse, wanted):
        torch.testing.assert_close(found[: len(row)], row, rtol=1e-5, atol=1e-5)
    terms = plain.losses(wanted, [False] * 3 + [True] * 3)
    losses = model.losses(output, batch)
    assert {n: losses[n].item() for n in terms} == pytest.approx(terms, rel=1e-5)
    total = terms["rank"] + 8e-5 * terms["smooth"] + 8e-5 * terms["sparse"]
    assert losses["total"].item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(
    ("abnormal", "normal", "loss"),
    [([0.9], [0.1], 0.2), ([0.9], [0.1, 0.4], 0.35), ([0.9, 0.2], [0.1, 0.4], 1.4), ([1.0], [0.0], 0.0)],
)
def test_a_sum_over_abnormal_and_a_mean_over_normal_bags(
    abnormal: list[float], normal: list[float], loss: float
) -> None:
    kinds = torch.arange(len(normal) + len(abnormal)) >= len(normal)
    assert sultani.ranking_loss(torch.tensor(normal + abnormal), kinds).item() == pytest.approx(loss)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(0, 30))
def test_padding_changes_nothing(lengths: list[int], extra: int) -> None:
    assert_padding_changes_nothing(network(), lengths, extra, TOGETHER, rtol=1e-4)


def test_the_length_of_a_feature_does_not_matter() -> None:
    model, batch = network().eval(), bags(crops=1)
    torch.testing.assert_close(model(batch._replace(visual=7 * batch.visual)), model(batch))


def test_weights_decay_and_biases_do_not() -> None:
    """One step without a gradient but the decay's."""
    model = network()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    groups = [{k: v for k, v in group.items() if k != "eps"} for group in model.parameter_groups(0.1)]
    optimiser = torch.optim.SGD(groups, weight_decay=2e-3)
    sum(0 * p.sum() for p in model.parameters()).backward()
    optimiser.step()
    for name, parameter in model.named_parameters():
        factor = 1 - 0.1 * 2e-3 if name.endswith("weight") else 1
        torch.testing.assert_close(parameter.detach(), factor * before[name])


def test_the_decay_is_the_derivative_of_the_published_penalty() -> None:
    weight = torch.randn(3, 4, requires_grad=True)
    (1e-3 * weight.square().sum()).backward()
    torch.testing.assert_close(weight.grad, 2e-3 * weight.detach())


def test_one_kind_one_segment() -> None:
    assert_strange_bags_are_finite(network(0.6), TOGETHER)


def test_it_learns() -> None:
    assert_trains(network(), bags())


@pytest.mark.parametrize(("width", "count"), [(4096, 2_114_113), (1024, 541_249), (512, 279_105)])
def test_as_many_parameters_as_published(width: int, count: int) -> None:
    with torch.device("meta"):
        assert trainable_parameters(sultani.Sultani(width, SultaniSettings())) == count


def test_dropout_lies_behind_the_activation_and_behind_the_linear_second_layer() -> None:
    assert chain(drawn("sultani"), "layers") == ["Linear", "ReLU", "Dropout", "Linear", "Dropout", "Linear"]
