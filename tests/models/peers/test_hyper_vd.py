"""HyperVD against one video's segments at a time; padding, parameters, edges."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.hyper_vd.lorentz import lifted, similarity
from mmvad.models.peers.hyper_vd.network import HyperVd, build
from mmvad.models.peers.hyper_vd.settings import HyperVdSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.peers import hyper_vd as plain
from tests.small import batch

GRAPHS = ("similarity.linear.dropout", "similarity.dropout", "distance.linear.dropout", "distance.dropout")
DROPOUT = dict.fromkeys(("narrow.2", "narrow.5", *GRAPHS), 0.6)

LENGTHS = [1, 4, 17, 20]


def made(**changes: object) -> HyperVd:
    torch.manual_seed(0)
    return build(small_setting(), HyperVdSettings(**changes)).eval()


def test_forward_and_losses_against_loops() -> None:
    model, data = made(), batch(LENGTHS)
    for scale in (0.02, 1.0):  # neighbours within the cut, and points as far out as they get
        near = data._replace(visual=scale * data.visual, audio=scale * data.audio)
        found = model(near)
        wanted = [plain.forward(model, near.visual[b, :n], near.audio[b, :n]) for b, n in enumerate(LENGTHS)]
        for b, logits in enumerate(wanted):
            torch.testing.assert_close(found[b, : LENGTHS[b]], logits, rtol=1e-4, atol=1e-4)
        bags = torch.stack([z.topk(len(z) // 16 + 1).values.mean() for z in wanted])
        theirs = F.binary_cross_entropy(bags.sigmoid(), near.abnormal.float())
        torch.testing.assert_close(model.losses(found, near)["total"], theirs, rtol=1e-4, atol=1e-4)


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(), LENGTHS, 7, rtol=1e-4, atol=1e-4)
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))


def test_far_points_keep_their_distances() -> None:
    """At 10 from the origin single precision is off by 8 in a product whose least value is 1."""
    x = torch.zeros(1, 3, 4, dtype=torch.float64)
    x[0, :, 0] = torch.tensor([10.0, 10.0, 9.9])
    graph = similarity(lifted(x), torch.ones(1, 3, dtype=torch.bool))[0]
    torch.testing.assert_close(graph[0], torch.tensor([1, 1, math.exp(-0.1)]).softmax(dim=0), rtol=1e-3, atol=0)


def test_equal_points_have_a_gradient() -> None:
    x = torch.ones(1, 3, 4, dtype=torch.float64, requires_grad=True)
    similarity(lifted(x), torch.ones(1, 3, dtype=torch.bool)).square().sum().backward()
    assert x.grad.isfinite().all()


def test_parameters_are_the_public_ones_less_three_idle() -> None:
    with torch.device("meta"):
        model = build(small_setting(visual=1024, audio=128), HyperVdSettings())
    assert trainable_parameters(model) == 607_046 - 3
