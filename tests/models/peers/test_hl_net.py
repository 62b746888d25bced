"""HL-Net against loops over segments; padding, parameters, edges."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.hl_net.network import HlNet, build
from mmvad.models.peers.hl_net.settings import HlNetSettings
from tests.models.peers.drawn import chain
from tests.models.peers.drawn import made as drawn
from tests.models.peers.joined import rows
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.peers import hl_net as plain
from tests.small import batch

DROPOUT = {
    f"trunk.{place}": 0.6 for place in ("fuse.2", "fuse.5", "similarity.dropout", "distance.dropout", "score.dropout")
}
XAVIER = "uniform"

LENGTHS = [1, 4, 17, 20]


def made(*, audio: bool = True, **changes: object) -> HlNet:
    torch.manual_seed(0)
    return build(small_setting(audio=8 if audio else None), HlNetSettings(**changes)).eval()


@pytest.mark.parametrize("audio", [True, False])
def test_forward_and_losses_against_loops(audio: bool) -> None:
    model, data = made(audio=audio), batch(LENGTHS, audio=audio)
    found = model(data)
    wanted = [plain.forward(model, x) for x in rows(data, LENGTHS)]
    for b, (offline, online) in enumerate(wanted):
        torch.testing.assert_close(found.offline[b, : LENGTHS[b]], offline, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.online[b, : LENGTHS[b]], online, rtol=1e-5, atol=1e-5)
    ours, theirs = model.losses(found, data), plain.losses(wanted, data.abnormal.tolist())
    for name, loss in theirs.items():
        torch.testing.assert_close(ours[name], loss, rtol=1e-5, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(made(), lengths, more)


@pytest.mark.parametrize(("visual", "audio", "count"), [(1024, 128, 743_490), (512, 128, 481_346)])
def test_parameters(visual: int, audio: int, count: int) -> None:
    with torch.device("meta"):
        assert trainable_parameters(build(small_setting(visual=visual, audio=audio), HlNetSettings())) == count


def test_edges_and_learning() -> None:
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))


def test_the_online_head_sees_the_past_alone_and_learns_at_half_the_rate() -> None:
    model = made(score="online")
    data = batch([12])
    changed = data._replace(visual=data.visual.clone())
    changed.visual[0, 6] += 1
    moved = (model.scores(model(data)).coarse != model.scores(model(changed)).coarse)[0]
    assert moved.tolist() == [t in range(6, 11) for t in range(12)]
    groups = model.parameter_groups(1e-4)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert len(rates) == len(list(model.parameters()))
    assert {name for name, p in model.named_parameters() if rates[id(p)] == 5e-5} == {
        name for name, _ in model.named_parameters() if ".online." in name
    }


def test_the_teacher_is_not_taught() -> None:
    model, data = made(), batch(LENGTHS)
    model.losses(model(data), data)["distillation"].backward()
    assert model.head.weight.grad is None
    assert model.trunk.online.causal.weight.grad.any()


def test_dropout_lies_behind_the_activation() -> None:
    assert chain(drawn("hl_net"), "trunk.fuse") == ["Linear", "ReLU", "Dropout"] * 2
