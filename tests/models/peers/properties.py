"""What holds for every peer that takes crops as rows: padding, company and strange bags must not show."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmvad.models.model import Batch, Model
from mmvad.models.peers.setting import Setting
from tests.small import AUDIO_WIDTH, PROMPTS, WIDTH, batch, gradients, tiny_encoder

close = {"rtol": 1e-5, "atol": 1e-5}


def small_setting(length: int = 64, audio: int | None = AUDIO_WIDTH, visual: int = WIDTH) -> Setting:
    return Setting(visual, audio, length, tuple(PROMPTS), tiny_encoder())


def scores(model: Model, videos: Batch) -> list[Tensor]:
    """Everything that is scored, with the classes last."""
    with torch.no_grad():
        found = model.scores(model(videos))
    return [s if s.dim() == 3 else s.unsqueeze(-1) for s in found if s is not None]


def assert_padding_changes_nothing(model: Model, lengths: Sequence[int], more: int) -> None:
    """Scores depend neither on how far a batch is padded nor on what else is in it; losses not on the padding."""
    videos, longer = batch(lengths), batch(lengths, max(lengths) + more)
    for (name, one), other in zip(
        model.losses(model(videos), videos).items(), model.losses(model(longer), longer).values()
    ):
        torch.testing.assert_close(one, other, **close, msg=lambda text, name=name: f"{name}: {text}")
    model.eval()
    short, padded, first = scores(model, videos), scores(model, longer), scores(model, batch(lengths[:1]))
    for one, other, alone in zip(short, padded, first, strict=True):
        assert one[videos.mask].isfinite().all()
        for b, n in enumerate(lengths):
            torch.testing.assert_close(one[b, :n], other[b, :n], **close)
        torch.testing.assert_close(one[0, : lengths[0]], alone[0], **close)


def assert_trains(model: Model, videos: Batch, steps: int = 5, rate: float = 1e-3) -> None:
    """A few steps lower the total on the same batch; every loss and gradient is finite."""
    optimizer = torch.optim.Adam(model.parameter_groups(rate), lr=rate)
    totals = []
    for _ in range(steps):
        optimizer.zero_grad()
        found = model.losses(model(videos), videos)
        assert all(loss.isfinite() for loss in found.values())
        found["total"].backward()
        assert all(grad.isfinite().all() for grad in gradients(model).values())
        optimizer.step()
        totals.append(found["total"].item())
    assert totals[-1] < totals[0]


def assert_strange_bags_are_finite(model: Model) -> None:
    """One segment, one video, no abnormal or no normal video: losses and gradients stay finite."""
    for lengths, labels in (
        ([1], [[0]]),
        ([1], [[3]]),
        ([1, 1], [[0], [2]]),
        ([5, 17], [[0], [0]]),
        ([5, 17], [[1, 4], [2]]),
    ):
        model.zero_grad()
        videos = batch(lengths, labels=labels)
        found = model.losses(model(videos), videos)
        assert all(loss.isfinite() for loss in found.values())
        found["total"].backward()
        assert all(grad.isfinite().all() for grad in gradients(model).values())
        model.eval()
        assert all(s[videos.mask].isfinite().all() for s in scores(model, videos))
        model.train()
