"""3C-Net against classes and segments one by one; how its centres move; padding, parameters, edges."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.three_c_net.network import ThreeCNet, build
from mmvad.models.peers.three_c_net.settings import ThreeCNetSettings
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

DROPOUT = {f"streams.{i}.hidden.4": 0.7 for i in range(2)}
XAVIER = "uniform"
BIASES = False

LENGTHS = [1, 4, 17, 20, 9]
LABELS = [[0], [2], [2, 3], [3], [0]]


def made(*, audio: bool = True, **changes: object) -> ThreeCNet:
    torch.manual_seed(0)
    model = build(small_setting(audio=8 if audio else None), ThreeCNetSettings(**({"dropout": 0.0} | changes)))
    torch.nn.init.uniform_(model.factors, 0.5, 2)
    return model.eval()


@pytest.mark.parametrize(("scale", "epoch"), [("one", 0), ("index", 9)])
def test_losses_and_the_centres_step_against_loops(scale: str, epoch: int) -> None:
    model, data = made(centre_scale=scale, centre_weight=0.5), batch(LENGTHS, labels=LABELS)
    model.train().start_epoch(epoch, 10)
    several, joined, distances = epoch >= 1, [torch.zeros(())] * len(LENGTHS), torch.zeros(())
    class_losses, moved = torch.zeros(()), []
    for stream, x, factor in zip(model.streams, (data.visual, data.audio), model.factors):
        features = [
            torch.relu(linear(stream.hidden[2], torch.relu(linear(stream.hidden[0], v[:n]))))
            for v, n in zip(x, LENGTHS)
        ]
        logits = [linear(stream.classify, v) for v in features]
        joined = [a + factor * b for a, b in zip(joined, logits)]
        class_losses = class_losses + plain.class_loss(logits, data.labels)
        entries = plain.centre_entries(features, logits, data.labels, several=several)
        assert len(entries) == (6 if several else 4)
        centres = stream.centres.clone().requires_grad_()
        loss = sum(
            ((f - centres[c]).square().sum() * (c if scale == "index" else 1) for c, f in entries), torch.zeros(())
        )
        loss = loss / len(entries) ** 2
        distances = distances + loss
        moved.append(centres.detach() - 0.1 * torch.autograd.grad(loss, centres, retain_graph=True)[0])
    found = model(data)
    losses = model.losses(found, data)
    torch.testing.assert_close(losses["class"], class_losses + plain.class_loss(joined, data.labels), **close)
    torch.testing.assert_close(losses["centre"], distances, **close)
    torch.testing.assert_close(losses["total"], losses["class"] + 0.5 * losses["centre"], **close)
    for stream, wanted in zip(model.streams, moved):
        torch.testing.assert_close(stream.centres, wanted, **close)
    for b, n in enumerate(LENGTHS):
        torch.testing.assert_close(model.scores(found).classes[b, :n], joined[b].softmax(dim=-1), **close)


def test_centres_stay_where_nothing_is_trained() -> None:
    model, data = made(), batch(LENGTHS)
    before = model.streams[0].centres.clone()
    model.losses(model(data), data)
    assert torch.equal(model.streams[0].centres, before)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(made(), lengths, more)


def test_parameters() -> None:
    """As many as the public code's, whose centres are no part of its model."""
    with torch.device("meta"):
        assert trainable_parameters(ThreeCNet((1024, 1024), 20, ThreeCNetSettings())) == 4_239_440


def test_edges_and_learning() -> None:
    assert_strange_bags_are_finite(made().train())
    assert_strange_bags_are_finite(made(audio=False).train(), makers=[lambda *a, **k: batch(*a, **k, audio=False)])
    assert_trains(made(), batch([12, 16, 9, 20]))
