"""RTFM, and through it what its followers share: temporal network, selection by norm, losses on norms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.errors import UserError
from mmvad.models.model import trainable_parameters
from mmvad.models.peers import magnitude
from mmvad.models.peers.magnitude import margin_loss, select
from mmvad.models.peers.rtfm import network as rtfm
from mmvad.models.peers.rtfm.settings import RtfmSettings
from mmvad.models.setting import Setting
from tests.models.peers.drawn import chain
from tests.models.peers.drawn import made as drawn
from tests.models.peers.properties import (
    LENGTHS,
    STRANGE,
    TOGETHER,
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    awake,
    bags,
    valid_rows,
)
from tests.plain.peers import rtfm as plain
from tests.small import WIDTH

DROPOUT = {"dropout": 0.7, "head.2": 0.7, "head.5": 0.7}
XAVIER = "uniform"
BIASES = False


def network(**changes: object) -> rtfm.Rtfm:
    torch.manual_seed(0)
    made = rtfm.Rtfm(WIDTH, RtfmSettings(**({"dropout": 0.0} | changes)))  # type: ignore[arg-type]
    awake(made)
    return made


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("form", ["squared", "hinge"])
def test_forward_and_losses_are_the_plain_ones(training: bool, form: str) -> None:
    model, batch = network(margin_form=form, margin=3.0).train(training), bags()
    rows = plain.temporal(model.temporal, valid_rows(batch))
    scores = plain.crop_means([torch.sigmoid(plain.head(model.head, row)) for row in rows], batch.crops)
    output = model(batch)
    for found, wanted in zip(model.scores(output).coarse, scores):
        torch.testing.assert_close(found[: len(wanted)], wanted, rtol=1e-5, atol=1e-5)
    wanted = plain.losses(scores, rows, batch.crops, [False] * 3 + [True] * 3, 3.0, form == "hinge")
    losses = model.losses(output, batch)
    assert {n: losses[n].item() for n in wanted} == pytest.approx(wanted, rel=1e-5)
    weights = {"bag": 1, "margin": 1e-4, "smooth": 8e-4, "sparse": 8e-3}
    assert losses["total"].item() == pytest.approx(sum(weights[n] * wanted[n] for n in wanted), rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(0, 30))
def test_padding_changes_nothing(lengths: list[int], extra: int) -> None:
    assert_padding_changes_nothing(network(), lengths, extra, TOGETHER, rtol=1e-4)


@pytest.mark.parametrize(("training", "lengths"), [(True, (9, 1, 4)), (False, (9, 1, 4)), (False, (1,))])
def test_batch_norm_in_fixed_shapes_is_torchs_own(
    monkeypatch: pytest.MonkeyPatch, training: bool, lengths: tuple[int, ...]
) -> None:
    mask = torch.arange(12) < torch.tensor(lengths)[:, None]
    x = 3 * torch.randn(len(lengths), 12, 5, generator=torch.Generator().manual_seed(1)) + 1
    left = []
    for packed in (True, False):
        monkeypatch.setattr(magnitude, "packs", lambda x, packed=packed: packed)
        torch.manual_seed(0)
        norm = awake(magnitude.MaskedBatchNorm(5)).train(training)  # type: ignore[arg-type]
        left.append([norm(x, mask), *norm.buffers()])
    for ours, torchs in zip(*left, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-5, atol=1e-5)


def test_padding_is_never_selected_even_where_dropout_hides_every_segment() -> None:
    batch = bags((1, 2), crops=1, segments=64)
    for _ in range(20):
        chosen = select(batch.visual, batch.mask.float(), batch, dropout=0.9)
        assert (chosen.positions[chosen.taken] < batch.mask.sum(dim=1)).all()


def test_dropout_on_norms_changes_the_choice_and_none_does_not() -> None:
    batch = bags((64, 64), crops=1)
    still = [select(batch.visual, batch.mask.float(), batch, dropout=0.0).positions for _ in range(2)]
    drawn = [select(batch.visual, batch.mask.float(), batch, dropout=0.7).positions for _ in range(2)]
    assert torch.equal(*still)
    assert not torch.equal(*drawn)


def test_the_order_of_kinds_in_a_batch_does_not_matter() -> None:
    """Pairs go by the label, not by the place."""
    batch = bags((12, 12, 12, 12), crops=1)
    order = torch.tensor([2, 0, 3, 1])
    mixed = batch._replace(visual=batch.visual[order], mask=batch.mask[order], labels=batch.labels[order])
    model = network().eval()
    straight, shuffled = (model.losses(model(b), b) for b in (batch, mixed))
    assert {n: v.item() for n, v in shuffled.items()} == pytest.approx({n: v.item() for n, v in straight.items()})


def test_margin_is_zero_without_pairs_and_has_a_gradient() -> None:
    batch = bags((9, 9), labels=[[1], [2]])
    features = batch.visual.clone().requires_grad_()
    loss = margin_loss(select(features, batch.mask.float(), batch, 0), batch.abnormal[:: batch.crops], 100, "squared")
    loss.backward()
    assert loss == 0
    assert not features.grad.any()


def test_one_kind_one_crop_one_segment() -> None:
    assert_strange_bags_are_finite(network(dropout=0.7), TOGETHER, STRANGE)


def test_it_learns() -> None:
    assert_trains(network(), bags())


def test_the_non_local_block_starts_as_nothing() -> None:
    torch.manual_seed(0)
    model = rtfm.Rtfm(WIDTH, RtfmSettings()).eval()
    x, mask = torch.randn(2, 5, WIDTH // 4), torch.ones(2, 5, dtype=torch.bool)
    assert torch.equal(model.temporal.non_local(x, mask), x)


@pytest.mark.parametrize(("width", "count"), [(2048, 24_718_849), (512, 1_547_137)])
def test_as_many_parameters_as_published(width: int, count: int) -> None:
    with torch.device("meta"):
        assert trainable_parameters(rtfm.Rtfm(width, RtfmSettings())) == count


def test_a_width_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(UserError, match="multiple of 16"):
        rtfm.build(Setting(100, None, 32, ("a", "b"), None), RtfmSettings())


def test_scores_are_one_row_a_video() -> None:
    model, batch = network(), bags()
    assert model.scores(model(batch)).coarse.shape == (len(LENGTHS), max(LENGTHS))


def test_dropout_lies_behind_the_activation() -> None:
    assert chain(drawn("rtfm"), "head") == ["Linear", "ReLU", "Dropout"] * 2 + ["Linear"]
