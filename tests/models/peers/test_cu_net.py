"""CU-Net: its heads' terms, its past, its pseudo-labels and its stages by hand; padding, edges."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from mmvad.models.peers.cu_net.network import CuNet, before, build, pseudo_labels
from mmvad.models.peers.cu_net.settings import CuNetSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.small import batch

DROPOUT = {f"heads.{i}.{place}": 0.6 for i in range(2) for place in (2, 4)} | {"last.2": 0.8, "last.4": 0.8}
ONE_GRAPH = False  # linear layers, a segment at a time

LENGTHS = [1, 4, 17, 20]


def made(stage: int = 0, *, audio: bool = False) -> CuNet:
    torch.manual_seed(0)
    model = build(small_setting(audio=8 if audio else None), CuNetSettings(draws=3)).eval()
    model.stage.fill_(stage)
    return model


def test_heads_learn_from_bags_and_differ() -> None:
    model, data = made(audio=True), batch(LENGTHS)
    found = model(data)
    bags, cosines, levels = [], [], []
    for b, n in enumerate(LENGTHS):
        one, other = found.heads[b, :n].T
        bags += [run.topk(n // 16 + 1).values.mean() for run in (one, other)]
        if data.abnormal[b]:
            cosines.append(one @ other / (one.norm() * other.norm()))
            levels.append((one.norm() - other.norm()).abs() / 2)
    truth = data.abnormal.float().repeat_interleave(2)
    wanted = F.binary_cross_entropy(torch.stack(bags), truth) + torch.stack(cosines).mean() + torch.stack(levels).mean()
    torch.testing.assert_close(model.losses(found, data)["total"], wanted)


def test_the_mean_of_the_five_before() -> None:
    x = torch.randn(1, 9, 2)
    wanted = [x[0, 0]] + [x[0, max(0, t - 5) : t].mean(dim=0) for t in range(1, 9)]
    torch.testing.assert_close(before(x, 5)[0], torch.stack(wanted))


def test_pseudo_labels_by_hand() -> None:
    data = batch([3, 2], labels=[[2], [0]])
    draws = torch.tensor([[[0.2, 0.4, 0.9], [0.7, 0.1, 0.0]], [[0.4, 0.4, 0.5], [0.9, 0.3, 0.0]]])
    labels, sure = pseudo_labels(draws, data)
    assert labels[0].tolist() == pytest.approx([0.0, 0.25, 1.0])
    assert labels[1].tolist() == [0, 0, 0]
    assert sure[0].tolist() == pytest.approx(torch.tensor([-0.01, 0.0, -0.04]).exp().tolist())
    assert sure[1].tolist() == [1, 1, 1]


def test_stages_follow_the_epochs_and_teach_their_own_network() -> None:
    model, data, seen = made(audio=True).train(), batch(LENGTHS), []
    for epoch in range(10):
        model.start_epoch(epoch, 10)
        seen.append(int(model.stage))
    assert seen == [0] * 4 + [1] * 3 + [2] * 3
    networks = model.heads, model.last
    for stage in range(3):
        model.stage.fill_(stage)
        model.zero_grad()
        model.losses(model(data), data)["total"].backward()
        learns = [any(p.grad is not None and p.grad.any() for p in net.parameters()) for net in networks]
        assert learns == [stage == 0, stage > 0]


def test_what_holds_for_every_peer() -> None:
    for stage in (0, 2):
        assert_padding_changes_nothing(made(stage, audio=True), LENGTHS, 7)
        assert_strange_bags_are_finite(made(stage).train(), makers=(partial(batch, audio=False),))
    assert_trains(made(), batch([12, 16, 9, 20], audio=False))
