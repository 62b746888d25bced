"""AVVD (a reconstruction) against loops over segments; padding, parameters, edges."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.avvd.network import Avvd, build
from mmvad.models.peers.avvd.settings import AvvdSettings
from tests.models.peers.joined import rows
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.peers import avvd as plain
from tests.small import CLASSES, batch

DROPOUT = {
    f"trunk.{place}": 0.6 for place in ("fuse.2", "fuse.5", "similarity.dropout", "distance.dropout", "score.dropout")
}
XAVIER = "uniform"

LENGTHS = [1, 4, 17, 20]


def made(*, audio: bool = True, **changes: object) -> Avvd:
    torch.manual_seed(0)
    return build(small_setting(audio=8 if audio else None), AvvdSettings(**changes)).eval()


@pytest.mark.parametrize("audio", [True, False])
def test_forward_and_losses_against_loops(audio: bool) -> None:
    model, data = made(audio=audio), batch(LENGTHS, audio=audio)
    found = model(data)
    wanted = [plain.forward(model, x) for x in rows(data, LENGTHS)]
    coarse, classes = model.scores(found)
    for b, (n, (offline, _, logits)) in enumerate(zip(LENGTHS, wanted, strict=True)):
        torch.testing.assert_close(coarse[b, :n], torch.sigmoid(offline), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(classes[b, :n], torch.softmax(logits, dim=-1), rtol=1e-5, atol=1e-5)
    theirs = plain.losses(wanted, data.labels, LENGTHS)
    for name, loss in model.losses(found, data).items():
        torch.testing.assert_close(loss, theirs[name], rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(made(), lengths, more)


def test_parameters_are_hl_nets_and_the_class_head() -> None:
    with torch.device("meta"):
        model = build(small_setting(visual=1024, audio=128), AvvdSettings())
    assert trainable_parameters(model) == 743_490 + 97 * CLASSES


def test_edges_and_learning() -> None:
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))


def test_the_class_loss_weighs_what_the_settings_say() -> None:
    data = batch(LENGTHS)
    one, half = (m.losses(m(data), data) for m in (made(), made(fine_weight=0.5)))
    torch.testing.assert_close(one["total"] - half["total"], 0.5 * one["fine"])
