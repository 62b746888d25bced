"""CRFD against one video's segments at a time; the centre of what is normal; padding, edges."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.peers.crfd.network import Crfd, build
from mmvad.models.peers.crfd.settings import CrfdSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.network import layer_norm, linear, unit
from tests.small import batch

DROPOUT = {"wide.2": 0.6, "narrow.2": 0.6}
XAVIER = "uniform"

LENGTHS = [1, 4, 17, 20]


def made() -> Crfd:
    torch.manual_seed(0)
    model = build(small_setting(), CrfdSettings(past=3)).eval()
    model.centre.copy_(unit(torch.randn(512)))
    return model


def plain_forward(model: Crfd, x: Tensor) -> tuple[Tensor, Tensor]:
    """h [n, 512] and logits [n] of one video."""
    relation, h = model.relation, torch.relu(linear(model.wide[0], x))
    rows = []
    for i in range(len(h)):
        past = range(max(0, i - 2), i + 1)
        scores = [linear(relation.theta, h[i]) @ linear(relation.phi, h[j]) / math.sqrt(512) for j in past]
        weights = torch.stack(scores).softmax(dim=0)
        found = sum(w * linear(relation.g, h[j]) for w, j in zip(weights, past))
        rows.append(layer_norm(relation.norm, h[i] + linear(relation.output, found)))
    features = torch.stack(rows)
    narrow = torch.relu(linear(model.narrow[0], features))
    logits = []
    for t in range(len(narrow)):
        taps = [narrow[t - back] @ model.causal.weight[0, :, 6 - back] for back in range(7) if t >= back]
        logits.append(sum(taps, model.causal.bias[0]))
    return features, torch.stack(logits)


def test_forward_and_losses_against_loops() -> None:
    model, data = made(), batch(LENGTHS)
    found, settings = model(data), model.settings
    compact, disperse, bags = [], [], []
    for b, n in enumerate(LENGTHS):
        features, logits = plain_forward(model, data.visual[b, :n])
        torch.testing.assert_close(found.logits[b, :n], logits, rtol=1e-5, atol=1e-5)
        top = logits.topk(n // 16 + 1)
        bags.append(top.values.sigmoid().mean())
        if data.abnormal[b]:
            apart = (unit(features[top.indices]).mean(dim=0) - model.centre).norm()
            disperse.append(F.relu(1 - apart) ** 2)
        else:
            compact += [(unit(h) - model.centre).square().sum() for h in features]
    wanted = F.binary_cross_entropy(torch.stack(bags), data.abnormal.float())
    wanted = wanted + settings.compact_weight * torch.stack(compact).mean()
    wanted = wanted + settings.disperse_weight * torch.stack(disperse).mean()
    torch.testing.assert_close(model.losses(found, data)["total"], wanted, rtol=1e-5, atol=1e-5)


def test_the_centre_follows_normal_segments_in_training_alone() -> None:
    model, data = made(), batch([3, 5], labels=[[0], [2]])
    found, before = model(data), model.centre.clone()
    model.losses(found, data)
    assert torch.equal(model.centre, before)
    model.train()
    model.losses(found, data)
    torch.testing.assert_close(model.centre, 0.9 * before + 0.1 * unit(found.features[0, :3]).mean(dim=0))


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(), LENGTHS, 7)
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))
