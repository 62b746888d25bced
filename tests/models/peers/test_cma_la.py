"""CMA-LA against one video's segments at a time; padding, parameters, edges."""

from __future__ import annotations

import torch

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.cma_la.network import CmaLa, build
from mmvad.models.peers.cma_la.settings import CmaLaSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.peers import cma_la as plain
from tests.small import batch

DROPOUT = {"ffn.2": 0.1, "ffn.4": 0.1}
XAVIER = "uniform"

LENGTHS = [1, 4, 17, 20]


def made(**changes: object) -> CmaLa:
    torch.manual_seed(0)
    return build(small_setting(), CmaLaSettings(**changes)).eval()


def test_forward_and_losses_against_loops() -> None:
    data, wanted = batch(LENGTHS), []
    for sigmoids in ("two", "one"):
        model = made(sigmoids=sigmoids)
        with torch.no_grad():
            model.attention.distance_weight.fill_(-0.3)
            model.attention.distance_bias.fill_(0.2)
        found = model(data)
        wanted = [plain.forward(model, data.visual[b, :n], data.audio[b, :n]) for b, n in enumerate(LENGTHS)]
        for b, logits in enumerate(wanted):
            torch.testing.assert_close(found[b, : LENGTHS[b]], logits, rtol=1e-5, atol=1e-5)
        theirs = plain.bag_loss(wanted, data.abnormal.tolist(), twice=sigmoids == "two")
        torch.testing.assert_close(model.losses(found, data)["total"], theirs)


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(), LENGTHS, 7)
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))


def test_parameters_are_the_public_checkpoints() -> None:
    with torch.device("meta"):
        assert trainable_parameters(build(small_setting(visual=1024, audio=128), CmaLaSettings())) == 1_004_419


def test_the_kernel_begins_where_it_can_be_learned() -> None:
    model = made()
    data = batch([12, 12])
    model.losses(model(data), data)["total"].backward()
    assert model.attention.distance_weight.grad.any()
