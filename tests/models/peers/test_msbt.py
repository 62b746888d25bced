"""MSBT against one video at a time, with two streams and with three; padding, parameters, edges."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.msbt.network import Msbt, build
from mmvad.models.peers.msbt.settings import MsbtSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.peers import msbt as plain
from tests.small import AUDIO_WIDTH, WIDTH, batch

LAYERS = (
    "within",
    "among",
    "fusion.decoder",
    *(f"fusion.layers.{i}" for i in range(5)),
    *(f"joined.{i}" for i in range(4)),
)
DROPOUT = {"weigh.2": 0.3, "weigh.4": 0.3, "score.2": 0.6, "score.4": 0.6} | {
    f"{layer}.{place}": p for layer in LAYERS for place, p in (("attention", 0.1), ("ffn.2", 0.1), ("dropout", 0.2))
}
SMALL_GRAPH = ["peers.msbt.bottlenecks=1", "peers.msbt.layers=1"]

LENGTHS = [1, 4, 17, 20]
SMALL = MsbtSettings(width=8, bottlenecks=4, layers=2)


def made() -> Msbt:
    torch.manual_seed(0)
    return build(small_setting(), SMALL).eval()


@pytest.mark.parametrize("flow", [False, True])
def test_forward_and_losses_against_loops(flow: bool) -> None:
    data = batch(LENGTHS)
    streams = [data.audio, data.visual, *([data.visual.flip(-1)] if flow else [])]
    torch.manual_seed(0)
    model = Msbt([AUDIO_WIDTH, WIDTH, *([WIDTH] if flow else [])], SMALL).eval()
    found = model.fuse(streams, data.mask)
    wanted = [plain.forward(model, [x[b, :n] for x in streams]) for b, n in enumerate(LENGTHS)]
    for b, (logits, _) in enumerate(wanted):
        torch.testing.assert_close(found.logits[b, : LENGTHS[b]], logits, rtol=1e-5, atol=1e-5)
    losses = model.losses(found, data)
    contrast = torch.stack([plain.contrast(fused) for _, fused in wanted]).mean()
    bags = torch.stack([z.sigmoid().topk(len(z) // 16 + 1).values.mean() for z, _ in wanted])
    bag = F.binary_cross_entropy(bags, data.abnormal.float())
    torch.testing.assert_close(losses["contrast"], contrast)
    torch.testing.assert_close(losses["total"], bag + 0.1 * contrast)


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(), LENGTHS, 7)
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))


@pytest.mark.parametrize(("widths", "count"), [((128, 1024), 2_693_954), ((128, 1024, 1024), 15_702_978 - 8_192)])
def test_parameters(widths: tuple[int, ...], count: int) -> None:
    with torch.device("meta"):
        assert trainable_parameters(Msbt(widths, MsbtSettings())) == count


def test_layers_over_all_pairs_begin_alike() -> None:
    first, second = made().joined
    assert torch.equal(first.ffn[0].weight, second.ffn[0].weight)
    assert first.ffn[0].weight is not second.ffn[0].weight
