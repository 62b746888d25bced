"""WSAL against taps and steps one by one; padding, parameters, edges."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.wsal.network import Wsal, build
from mmvad.models.peers.wsal.settings import WsalSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    small_setting,
    valid_rows,
)
from tests.plain.peers import wsal as plain
from tests.small import batch

DROPOUT = dict.fromkeys(("embed.2", "semantic.2", "dynamic.2"), 0.8)

LENGTHS = [1, 16, 9, 2, 5]


def made(**changes: object) -> Wsal:
    torch.manual_seed(0)
    return build(small_setting(), WsalSettings(**changes)).eval()


def test_forward_and_losses_against_loops() -> None:
    model, data = made(), batch(LENGTHS, audio=False)
    found = model(data)
    wanted = [plain.forward(model, x) for x in valid_rows(data)]
    coarse = model.scores(found).coarse
    for b, (n, video) in enumerate(zip(LENGTHS, wanted, strict=True)):
        torch.testing.assert_close(coarse[b, :n], plain.score(*video), **close)
    theirs = plain.losses(wanted, data.abnormal.tolist())
    for name, loss in model.losses(found, data).items():
        torch.testing.assert_close(loss, theirs[name], **close, msg=lambda m, n=name: f"{n}: {m}")


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(made(), lengths, more)


def test_parameters() -> None:
    """By hand: d > 512, a convolution of 5, two heads 512 > 128 > 1 and 512 > 128 > 128; as in public."""
    with torch.device("meta"):
        model = build(small_setting(visual=1024), WsalSettings())
    by_hand = 1024 * 512 + 512 + 512 * 512 * 5 + 512 + 2 * (512 * 128 + 128) + 128 + 1 + 128 * 128 + 128
    assert trainable_parameters(model) == by_hand == 1_984_001


def test_edges_and_learning() -> None:
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(dropout=0.0), batch([12, 16, 9, 20]))
