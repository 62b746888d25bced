"""Hasan et al.'s autoencoder: its errors and both scales by hand, normal videos alone; padding, edges."""

from __future__ import annotations

import pytest
import torch

from mmvad.models.peers.hasan import network
from mmvad.models.peers.hasan.settings import HasanSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.network import linear
from tests.small import batch

ONE_GRAPH = False  # linear layers, a segment at a time

LENGTHS = [1, 4, 17, 20]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "HIDDEN", (12, 8, 6, 4))


def made(**changes: object) -> network.Hasan:
    torch.manual_seed(0)
    return network.build(small_setting(), HasanSettings(**changes)).eval()


def errors(model: network.Hasan, x: torch.Tensor) -> torch.Tensor:
    y = x
    for i in range(0, len(model.layers), 2):
        y = linear(model.layers[i], torch.tanh(y) if i else y)
    return ((x - y) ** 2).sum(dim=-1).sqrt()


def test_errors_and_scores_by_hand() -> None:
    data = batch(LENGTHS)
    model, one = made(), made(scale="all")
    for b, n in enumerate(LENGTHS):
        e = errors(model, data.visual[b, :n])
        wanted = (e - e.min()) / (e.max() - e.min()) if n > 1 else torch.zeros(1)
        torch.testing.assert_close(model.scores(model(data)).coarse[b, :n], wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.scores(one(data)).coarse[b, :n], e / (e + 1), rtol=1e-4, atol=1e-5)
    normal = [b for b, y in enumerate(data.abnormal.tolist()) if not y]
    squares = torch.cat([errors(model, data.visual[b, : LENGTHS[b]]) ** 2 for b in normal])
    torch.testing.assert_close(model.losses(model(data), data)["total"], squares.mean() / 2)


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(scale="all"), LENGTHS, 7)
    assert_padding_changes_nothing(made(), LENGTHS, 7, rtol=1e-4)
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))


def test_abnormal_videos_teach_nothing_and_the_usual_error_is_followed() -> None:
    model, data = made(scale="all").train(), batch([12, 16], labels=[[0], [3]])
    loss = model.losses(model(data), data)["total"]
    mean = errors(model, data.visual[0, :12]).mean()
    torch.testing.assert_close(model.usual, 0.9 + 0.1 * mean)
    data.visual[1] += 5
    torch.testing.assert_close(model.losses(model(data), data)["total"], loss)
    usual = model.usual.clone()
    model.losses(model(data), data._replace(labels=data.labels[[1, 1]]))
    assert torch.equal(model.usual, usual)
