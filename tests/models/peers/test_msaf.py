"""MSAF: its refined labels, its attention and its fusion by hand; padding, edges."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from mmvad.models.peers.msaf.network import Msaf, build
from mmvad.models.peers.msaf.settings import MsafSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.network import linear
from tests.small import batch

DROPOUT = {f"modalities.{i}.{place}": 0.6 for i in range(2) for place in ("refine.2", "embed.2")} | {"fuse.2": 0.6}
ONE_GRAPH = False  # linear layers, a segment at a time

LENGTHS = [1, 4, 17, 20]


def made(epoch: int = 9, *, audio: bool = True) -> Msaf:
    torch.manual_seed(0)
    model = build(small_setting(audio=8 if audio else None), MsafSettings()).eval()
    model.start_epoch(epoch, 10)
    return model


def scored(layers: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return linear(layers[3], torch.relu(linear(layers[0], x))).squeeze(-1)


@pytest.mark.parametrize("epoch", [0, 9])
def test_losses_by_hand(epoch: int) -> None:
    model, data = made(epoch), batch(LENGTHS)
    found, bags, fused, attention = model(data), [], [], []
    for b, n in enumerate(LENGTHS):
        streams, rows, refined, looks = (data.visual[b, :n], data.audio[b, :n]), [], [], []
        for modality, x in zip(model.modalities, streams):
            features = torch.relu(linear(modality.embed[0], x))
            looks.append(linear(modality.attend, features).squeeze(-1).sigmoid())
            rows.append(features * (1 + looks[-1])[:, None])
            refined.append(scored(modality.refine, x).sigmoid())
            bags.append(refined[-1].topk(n // 16 + 1).values.mean())
        score = scored(model.fuse, torch.cat(rows, dim=-1)).sigmoid()
        torch.testing.assert_close(model.scores(found).coarse[b, :n], score, rtol=1e-5, atol=1e-5)
        mean = (refined[0] + refined[1]).detach() / 2
        stretched = (mean - mean.min()) / (mean.max() - mean.min()) if n > 1 else mean
        label = stretched if data.abnormal[b] else torch.zeros(n)
        fused.append(F.binary_cross_entropy(score, label, reduction="none"))
        attention += [F.binary_cross_entropy(look, label, reduction="none") for look in looks]
    refine = F.binary_cross_entropy(torch.stack(bags), data.abnormal.float().repeat_interleave(2))
    later = torch.cat(fused).mean() + torch.cat(attention).mean()
    total = model.losses(found, data)["total"]
    torch.testing.assert_close(total, refine + later if epoch else refine, rtol=1e-5, atol=1e-5)


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(), LENGTHS, 7)
    assert_strange_bags_are_finite(made().train())
    assert_strange_bags_are_finite(made(audio=False).train(), makers=(partial(batch, audio=False),))
    assert_trains(made(epoch=0), batch([12, 16, 9, 20]))
