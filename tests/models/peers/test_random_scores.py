"""The floor: what it scores comes from the generator alone."""

from __future__ import annotations

import torch

from mmvad.models.peers.random_scores import network as random_scores
from mmvad.models.setting import Setting
from tests.small import batch


def test_scores_are_uniform_and_know_nothing_of_the_video() -> None:
    model = random_scores.build(Setting(16, None, 32, ("a", "b"), None), None)
    first, second = batch([400] * 8, seed=0), batch([400] * 8, seed=1)
    found = []
    for given in (first, second):
        torch.manual_seed(3)
        found.append(model.scores(model(given)).coarse)
    assert torch.equal(*found)
    assert found[0].shape == (8, 400)
    share = torch.histc(found[0], bins=10, min=0, max=1) / found[0].numel()
    assert ((share - 0.1).abs() < 0.03).all()
    assert model.scores(model(first)).classes is None


def test_training_changes_nothing() -> None:
    model = random_scores.RandomScores()
    given = batch([4, 4])
    loss = model.losses(model(given), given)["total"]
    loss.backward()
    assert loss == 0
    assert all(not p.grad.any() for p in model.parameters())
