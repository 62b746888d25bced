"""GODS: the objective and the score by hand, a fit on normal videos alone that closes them in."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmvad.models.peers.gods.network import Gods, build, inside, objective
from mmvad.models.peers.gods.settings import GodsSettings
from tests.models.peers.properties import bags, small_setting
from tests.plain.peers import gods as plain

SETTINGS = GodsSettings(iterations=60)


def fitted(shift: float = 0.0) -> Gods:
    torch.manual_seed(0)
    model = build(small_setting(), SETTINGS)
    batches = [bags((10,), 16, seed=i, labels=[[i % 2]]) for i in range(8)]
    moved = [b._replace(visual=b.visual + (shift if b.abnormal.any() else 1.0)) for b in batches]
    model.fit_offline(moved)
    return model


def test_objective_and_inside_by_hand() -> None:
    torch.manual_seed(1)
    x, frames, biases = F.normalize(torch.randn(7, 5), dim=-1), torch.randn(2, 5, 3), torch.randn(2, 3)
    wanted = plain.objective(list(x), frames, biases, SETTINGS.eta, SETTINGS.spread_weight)
    assert objective(x, frames, biases, SETTINGS).item() == pytest.approx(wanted, rel=1e-5)
    assert inside(x, frames, biases).tolist() == pytest.approx([plain.inside(r, frames, biases) for r in x], abs=1e-6)


def test_normal_segments_are_closed_in() -> None:
    model = fitted()
    normal = bags((10,), seed=0, labels=[[0]])
    data = normal._replace(visual=normal.visual + 1)
    away = normal._replace(visual=normal.visual - 1)
    torch.testing.assert_close(model.frames.mT @ model.frames, torch.eye(2).expand(2, 2, 2), rtol=1e-4, atol=1e-5)
    scores = [model.scores(model(b)).coarse.mean() for b in (data, away)]
    assert scores[0] < 0.5 < scores[1]


def test_abnormal_videos_are_never_looked_at() -> None:
    assert torch.equal(fitted(shift=0.0).frames, fitted(shift=9.0).frames)
