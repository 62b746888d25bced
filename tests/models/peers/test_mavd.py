"""MAVD against one video's segments at a time; its matching, what teaches what; padding, parameters, edges."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.mavd.network import Mavd, build, completed
from mmvad.models.peers.mavd.settings import MavdSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    finite_step,
    small_setting,
)
from tests.plain.peers import mavd as plain
from tests.small import batch

LENGTHS = [1, 4, 17, 20]


def made(**changes: object) -> Mavd:
    torch.manual_seed(0)
    model = build(small_setting(), MavdSettings(**changes)).eval()
    with torch.no_grad():  # so that no feature of the aligned sound is 0, of which all are equally unlike
        model.project[4].bias.fill_(0.5)
    return model


def test_forward_and_losses_against_loops() -> None:
    model, data = made(), batch(LENGTHS)
    found, abnormal = model(data), data.abnormal.tolist()
    wanted = [plain.forward(model, data.visual[b, :n], data.audio[b, :n]) for b, n in enumerate(LENGTHS)]
    for b, (n, video) in enumerate(zip(LENGTHS, wanted)):
        torch.testing.assert_close(model.scores(found).coarse[b, :n], video.scores["joined"], rtol=1e-5, atol=1e-5)
    theirs = {"alike": plain.unlikeness(wanted), "agree": plain.agreement(wanted)}
    theirs["triplet"] = plain.triplet(wanted, abnormal)
    for name in wanted[0].scores:
        bags = torch.stack([v.scores[name].topk(len(v.picture) // 16 + 1).values.mean() for v in wanted])
        theirs[name] = F.binary_cross_entropy(bags, data.abnormal.float())
    alignment = theirs["alike"] + theirs["agree"] + 0.01 * theirs["aligned"]
    total = theirs["picture"] + theirs["sound"] + 10 * alignment + 10 * theirs["joined"] + 0.001 * theirs["triplet"]
    for name, loss in model.losses(found, data).items():
        torch.testing.assert_close(loss, {**theirs, "total": total}[name], rtol=1e-5, atol=1e-5, msg=name)


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(), LENGTHS, 7)
    assert_strange_bags_are_finite(made().train())


def test_the_bags_are_learned() -> None:
    """The total rises first: the sound's scores are held to those of the picture, which grow sure sooner."""
    model, data = made().train(), batch([12, 16, 9, 20])
    optimizer, found = torch.optim.Adam(model.parameters(), lr=1e-3), []
    for _ in range(8):
        finite_step(model, data)
        optimizer.step()
        found.append(model.losses(model(data), data)["joined"].item())
    assert found[-1] < 0.7 * found[0]


def test_parameters_are_the_public_ones_without_flow() -> None:
    with torch.device("meta"):
        model = build(small_setting(visual=1024, audio=128), MavdSettings())
    assert trainable_parameters(model) == 1_003_859


def test_the_joint_network_does_not_teach_the_modalities() -> None:
    model, data = made(), batch(LENGTHS)
    losses = model.losses(model(data), data)
    (losses["joined"] + losses["alike"] + losses["triplet"]).backward()
    assert all(p.grad is None for net in (model.picture, model.sound) for p in net.parameters())
    assert model.project[0].weight.grad.any()


def test_the_codes_permutation_lays_features_elsewhere() -> None:
    data = batch(LENGTHS)
    placed, gathered = (m.losses(m(data), data)["alike"] for m in (made(), made(matching="gathered")))
    assert abs(float((placed - gathered).detach())) > 1e-4
    assert completed(torch.tensor([3, 0]), 5).tolist() == [3, 0, 1, 2, 4]
