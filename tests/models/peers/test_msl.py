"""MSL: its stretches and its attention by hand, how they shrink; padding, edges."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from mmvad.models.peers.msl.network import ConvolutionalEncoder, Msl, best_stretch, build
from mmvad.models.peers.msl.settings import MslSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.network import linear
from tests.small import batch

DROPOUT = {"dropout": 0.1} | {f"layers.{i}.{place}": 0.1 for i in range(2) for place in ("dropout", "ffn.2")}

LENGTHS = [1, 4, 17, 20]


def made() -> Msl:
    torch.manual_seed(0)
    return build(small_setting(length=32), MslSettings(width=16, layers=1)).eval()


def attended(layer: ConvolutionalEncoder, x: torch.Tensor) -> torch.Tensor:
    """One video's rows [n, 16], head by head."""
    parts = []
    for depth, point in zip(layer.depthwise, layer.pointwise):
        around = F.pad(x, (0, 0, 1, 1))
        kernel = depth.weight[:, 0]
        rows = [sum(around[t + tap] * kernel[:, tap] for tap in range(3)) + depth.bias for t in range(len(x))]
        parts.append(linear(point, torch.stack(rows)))
    q, k, v = (part.split(2, dim=-1) for part in parts)
    heads = [(q[h] @ k[h].T / math.sqrt(2)).softmax(dim=-1) @ v[h] for h in range(8)]
    return linear(layer.output, torch.cat(heads, dim=-1))


def test_attention_against_heads_one_by_one() -> None:
    layer, x = made().layers[0], torch.randn(9, 16)
    padded = F.pad(x, (0, 0, 0, 4))[None]
    mask = (torch.arange(13) < 9)[None]
    torch.testing.assert_close(layer.attend(padded, mask)[0, :9], attended(layer, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stretch", [1, 3, 50])
def test_losses_by_hand(stretch: int) -> None:
    model, data = made(), batch(LENGTHS)
    model.stretch.fill_(stretch)
    found = model(data)
    best = []
    for b, n in enumerate(LENGTHS):
        s, k = found.segments[b, :n].sigmoid(), min(stretch, n)
        best.append(max(s[t : t + k].mean() for t in range(n - k + 1)))
    torch.testing.assert_close(best_stretch(found.segments.sigmoid(), data.mask, model.stretch), torch.stack(best))
    rank = (F.relu(1 - best[0] + best[1]) + F.relu(1 - best[2] + best[3])) / 2
    video = F.binary_cross_entropy(found.videos.sigmoid(), data.abnormal.float())
    torch.testing.assert_close(model.losses(found, data)["total"], rank + video)
    wanted = found.segments.sigmoid() * found.videos.sigmoid()[:, None]
    torch.testing.assert_close(model.scores(found).coarse, wanted)


def test_stretches_halve_from_the_whole_video_to_one_segment() -> None:
    model, seen = made(), []
    for epoch in range(12):
        model.start_epoch(epoch, 12)
        seen.append(int(model.stretch))
    assert seen == [32, 32, 16, 16, 8, 8, 4, 4, 2, 2, 1, 1]


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(), LENGTHS, 7)
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))
