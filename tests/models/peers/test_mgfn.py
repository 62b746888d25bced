"""MGFN: glance and focus layers, and norms contrasted across videos."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.mgfn import network as mgfn
from mmvad.models.peers.mgfn.settings import MgfnSettings
from tests.models.peers.properties import (
    LENGTHS,
    STRANGE,
    TOGETHER,
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    awake,
    bags,
    in_double,
    valid_rows,
)
from tests.plain.network import linear
from tests.plain.peers import mgfn as plain
from tests.plain.peers.rtfm import crop_means
from tests.small import WIDTH

EIGHT = (24, 1, 11, 22, 30, 7, 13, 5)
WEIGHTS = {"bag": 1, "far": 1e-6, "near": 1e-3, "smooth": 8e-4, "sparse": 8e-3}


def network(width: int = 2, dropout: float = 0.0) -> mgfn.Mgfn:
    torch.manual_seed(0)
    made = mgfn.Mgfn(WIDTH, MgfnSettings(width=width, dropout=dropout))
    awake(made)
    return made


@pytest.mark.parametrize("training", [True, False])
def test_forward_and_losses_are_the_plain_ones(training: bool) -> None:
    model, batch = network().train(training), bags(EIGHT)
    rows = plain.features(model, valid_rows(batch))
    scores = crop_means([torch.sigmoid(linear(model.score, row)[:, 0]) for row in rows], batch.crops)
    output = model(batch)
    for found, wanted in zip(model.scores(output).coarse, scores):
        torch.testing.assert_close(found[: len(wanted)], wanted, rtol=1e-5, atol=1e-5)
    for found, row in zip(output.features.flatten(0, 1), rows):
        torch.testing.assert_close(found[: len(row)], row, rtol=1e-4, atol=1e-4)
    wanted = plain.losses(scores, rows, batch.crops, [False] * 4 + [True] * 4)
    losses = model.losses(output, batch)
    assert {n: losses[n].item() for n in wanted} == pytest.approx(wanted, rel=1e-4)
    assert losses["total"].item() == pytest.approx(sum(WEIGHTS[n] * wanted[n] for n in wanted), rel=1e-4)


def test_near_pairs_different_videos_crop_by_crop() -> None:
    """Two videos of two crops, equal crop by crop: nothing to lose; with the crops exchanged there is."""
    one = torch.tensor([[[1.0], [5.0]]])
    same, exchanged = torch.cat([one, one]), torch.cat([one, one.flip(1)])
    assert mgfn.near_loss(same, torch.tensor([True, True])) == 0
    assert mgfn.near_loss(exchanged, torch.tensor([True, True])) == 16
    assert mgfn.near_loss(exchanged, torch.tensor([True, False])) == 0


def test_near_pairs_within_a_kind_whatever_its_places() -> None:
    norms = torch.tensor([1.0, 100.0, 2.0, 200.0, 5.0, 7.0]).reshape(-1, 1, 1)
    kind = torch.tensor([True, False, True, False, True, True])
    assert mgfn.near_loss(norms, kind) == ((1 - 5) ** 2 + (2 - 7) ** 2) / 2
    assert mgfn.near_loss(norms, ~kind) == 100**2


def test_far_is_a_squared_hinge_on_the_distance_of_the_norms() -> None:
    norms = torch.tensor([[[0.0, 0.0]], [[30.0, 40.0]]])
    assert mgfn.far_loss(norms, torch.tensor([False, True]), 200.0) == 150**2
    assert mgfn.far_loss(norms, torch.tensor([False, True]), 40.0) == 0


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(0, 30))
def test_padding_changes_nothing(lengths: list[int], extra: int) -> None:
    """In double precision: `near` is of differences of nearly equal norms, which float32 leaves 4 digits at worst."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        makers = [in_double(make) for make in TOGETHER]
        assert_padding_changes_nothing(network().double(), lengths, extra, makers, rtol=1e-9, atol=1e-9)


def test_one_kind_one_crop_one_segment() -> None:
    assert_strange_bags_are_finite(network(dropout=0.7), TOGETHER, STRANGE)


def test_it_learns() -> None:
    assert_trains(network(4), bags(EIGHT))


def test_all_segments_begin_with_the_same_norm() -> None:
    """f is layer-normalised: sqrt(d) everywhere, until the gain moves."""
    torch.manual_seed(0)
    model, batch = mgfn.Mgfn(WIDTH, MgfnSettings(width=4)).eval(), bags()
    norms = model(batch).features[0, :, : LENGTHS[0]].norm(dim=-1)
    torch.testing.assert_close(norms, torch.full_like(norms, 8.0), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("width", "count"), [(2048, 28_652_773), (512, 28_357_861)])
def test_as_many_parameters_as_published(width: int, count: int) -> None:
    with torch.device("meta"):
        assert trainable_parameters(mgfn.Mgfn(width, MgfnSettings())) == count


def test_heads_are_as_wide_as_the_first_layers() -> None:
    """64 channels a head at the published widths 64, 128 and 1024."""
    with torch.device("meta"):
        model = mgfn.Mgfn(512, MgfnSettings())
    heads = [[block.attention.heads for block in stage] for stage in model.levels]
    assert heads == [[1] * 3, [2] * 3, [16] * 2]
    assert model.score.in_features == 1024
