"""OVVAD against one video's segments at a time; padding, edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.peers.ovvad.network import Ovvad, build
from mmvad.models.peers.ovvad.settings import OvvadSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.network import ffn, layer_norm, linear, unit
from tests.plain.peers.graphs import normalised_distance
from tests.small import batch

LENGTHS = [1, 4, 17, 20]


def made() -> Ovvad:
    torch.manual_seed(0)
    return build(small_setting(), OvvadSettings(prompt_half=2)).eval()


def plain_forward(model: Ovvad, visual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits [n], segments' classes [n, C], and the video's [C]."""
    x = layer_norm(model.norm, normalised_distance(len(visual)) @ visual)
    rows = []
    for row in x:
        known = sum(text / (1 + torch.exp(-(row @ text))) for text in model.knowledge) / len(model.knowledge)
        rows.append(torch.cat([row, known]))
    both = torch.stack(rows)
    logits = linear(model.classifier, both + ffn(model.ffn, both)).squeeze(-1)
    texts = unit(model.texts())
    video = sum(w * row for w, row in zip(logits.softmax(dim=0), x))
    return logits, unit(x) @ texts.T / 0.07, unit(video) @ texts.T / 0.07


def test_forward_and_losses_against_loops() -> None:
    model, data = made(), batch(LENGTHS, audio=False)
    found, fine, bags = model(data), [], []
    for b, n in enumerate(LENGTHS):
        logits, segments, video = plain_forward(model, data.visual[b, :n])
        torch.testing.assert_close(found.logits[b, :n], logits, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.segments[b, :n], segments, rtol=1e-4, atol=1e-4)
        fine.append(-(data.labels[b] / data.labels[b].sum() * video.log_softmax(dim=0)).sum())
        bags.append(logits.sigmoid().topk(n // 16 + 1).values.mean())
    total = F.binary_cross_entropy(torch.stack(bags), data.abnormal.float()) + torch.stack(fine).mean()
    torch.testing.assert_close(model.losses(found, data)["total"], total, rtol=1e-5, atol=1e-5)


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(), LENGTHS, 7, rtol=1e-4, atol=1e-4)
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))
