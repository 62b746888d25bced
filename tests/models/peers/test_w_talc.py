"""W-TALC against pairs, classes and segments one by one; padding, parameters, edges."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.w_talc.network import WTalc, build
from mmvad.models.peers.w_talc.settings import WTalcSettings
from tests.models.peers.joined import rows
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    small_setting,
)
from tests.plain.network import linear
from tests.plain.peers import class_activations as plain
from tests.small import batch

DROPOUT = {"hidden.2": 0.7}
XAVIER = "uniform"
BIASES = False

LENGTHS = [1, 4, 17, 20, 9]
LABELS = [[0], [2], [2, 3], [3, 2], [0]]


def made(*, audio: bool = True, **changes: object) -> WTalc:
    torch.manual_seed(0)
    return build(small_setting(audio=8 if audio else None), WTalcSettings(**changes)).eval()


@pytest.mark.parametrize("audio", [True, False])
def test_forward_and_losses_against_loops(audio: bool) -> None:
    model, data = made(audio=audio, mil_share=0.3), batch(LENGTHS, labels=LABELS, audio=audio)
    found = model(data)
    features = [torch.relu(linear(model.hidden[0], x)) for x in rows(data, LENGTHS)]
    logits = [linear(model.classify, x) for x in features]
    for b, n in enumerate(LENGTHS):
        torch.testing.assert_close(model.scores(found).classes[b, :n], logits[b].softmax(dim=-1), **close)
    losses = model.losses(found, data)
    mil, alike = plain.class_loss(logits, data.labels), plain.co_activity(features, logits, data.labels)
    assert alike > 0
    for name, wanted in (("mil", mil), ("co_activity", alike), ("total", 0.3 * mil + 0.7 * alike)):
        torch.testing.assert_close(losses[name], wanted, **close)


def test_normal_videos_are_no_pairs() -> None:
    data = batch([8, 9], labels=[[0], [0]])
    model = made()
    assert model.losses(model(data), data)["co_activity"] == 0


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(made(), lengths, more)


def test_parameters() -> None:
    """The public code's 8,433,684 at 2048 and 20 classes less a layer that it never uses."""
    with torch.device("meta"):
        model = WTalc(2048, 20, WTalcSettings())
    assert trainable_parameters(model) == 8_433_684 - (2048 * 2048 + 2048)


def test_edges_and_learning() -> None:
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))
