"""S3R: the dictionary of normal features, the rebuilt video, the gate between both."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.models.model import Batch, trainable_parameters
from mmvad.models.peers.s3r import network as s3r
from mmvad.models.peers.s3r.settings import S3rSettings
from mmvad.models.setting import Setting
from mmvad.training.module import AnomalyModule
from tests.models.peers.properties import (
    STRANGE,
    WIDE,
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    awake,
    bags,
    valid_rows,
)
from tests.plain.peers import rtfm as plain_rtfm
from tests.plain.peers import s3r as plain

DROPOUT = {"dropout": 0.7, "rest.2": 0.7, "rest.5": 0.7, "head.2": 0.7, "head.5": 0.7}
XAVIER = "uniform"
BIASES = False
TRACED_BACK = True

WIDTH = 32


def network(dropout: float = 0.0) -> s3r.S3r:
    torch.manual_seed(0)
    made = s3r.S3r(WIDTH, S3rSettings(dropout=dropout))
    made.dictionary = torch.randn(5, WIDTH)
    awake(made)
    return made


def samples(count: int = 12, crops: int = 2, seed: int = 0, abnormal: Sequence[int] = ()) -> list[Batch]:
    """Training samples one a batch, as `fit_offline` gets them; those named are abnormal."""
    return [
        bags((9 + i,), 24, crops=crops, seed=seed + 2 * i, labels=[[int(i in abnormal)]], wide=True)
        for i in range(count)
    ]


def fitted(batches: Sequence[Batch], **changes: float) -> torch.Tensor:
    model = s3r.S3r(WIDTH, S3rSettings(**changes))
    model.fit_offline(batches)
    return model.dictionary


@pytest.mark.parametrize("training", [True, False])
def test_forward_and_losses_are_the_plain_ones(training: bool) -> None:
    model, batch = network().train(training), bags(wide=True)
    scores, rows, rest = plain.forward(model, valid_rows(batch), batch.crops)
    output = model(batch)
    for found, wanted in zip(model.scores(output).coarse, scores):
        torch.testing.assert_close(found[: len(wanted)], wanted, rtol=1e-5, atol=1e-5)
    assert output.rest.tolist() == pytest.approx(rest, rel=1e-5)
    terms = plain_rtfm.losses(scores, rows, batch.crops, [False] * 3 + [True] * 3) | {"rest": plain.rest_loss(rest)}
    losses = model.losses(output, batch)
    assert {n: losses[n].item() for n in terms} == pytest.approx(terms, rel=1e-5)
    weights = {"bag": 1, "margin": 1e-4, "smooth": 8e-4, "sparse": 8e-3, "rest": 1}
    assert losses["total"].item() == pytest.approx(sum(weights[n] * terms[n] for n in terms), rel=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(0, 30))
def test_padding_changes_nothing(lengths: list[int], extra: int) -> None:
    assert_padding_changes_nothing(network(), lengths, extra, WIDE, rtol=1e-4)


def test_one_kind_one_crop_one_segment() -> None:
    assert_strange_bags_are_finite(network(0.7), WIDE, STRANGE)


def test_it_learns() -> None:
    assert_trains(network(), bags(wide=True))


def test_a_channel_is_made_of_two_atoms_at_most() -> None:
    dictionary = fitted(samples())
    assert dictionary.shape == (6, WIDTH)
    assert (dictionary != 0).sum(dim=0).max() <= 2
    assert (dictionary != 0).any(dim=0).all()
    assert fitted(samples(), atoms=0.25).shape == (3, WIDTH)
    assert fitted(samples(2)).shape == (2, WIDTH)


@pytest.mark.parametrize("width", [32, 96])
def test_the_dictionary_is_the_plain_one(width: int) -> None:
    """100 steps, also where passes over the channels have another number: three steps each at 96."""
    draw = np.random.default_rng(0)
    videos = (draw.normal(size=(14, width)) + draw.normal(size=(1, width))).astype(np.float32)
    np.testing.assert_allclose(s3r.learn_dictionary(videos, 7), plain.dictionary(videos, 7), rtol=1e-5, atol=1e-5)


def test_with_an_atom_a_video_nearly_everything_can_be_rebuilt() -> None:
    """Two videos, two atoms: codes times atoms are the channels themselves."""
    videos = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    codes = s3r.learn_dictionary(videos, 2)
    atoms, *_ = np.linalg.lstsq(codes.T.astype(float), videos.T.astype(float), rcond=None)
    assert np.abs(codes.T @ atoms - videos.T).max() < 1e-5


def test_the_dictionary_is_the_same_each_time_and_of_normal_videos_alone() -> None:
    first = fitted(samples(abnormal=(3, 4)))
    assert torch.equal(fitted(samples(abnormal=(3, 4))), first)
    without = [batch for i, batch in enumerate(samples()) if i not in (3, 4)]
    assert torch.equal(fitted(without), first)
    assert not torch.equal(fitted(samples(10)), first)


def test_padding_is_no_part_of_a_videos_mean() -> None:
    padded = [b._replace(visual=torch.where(b.mask.unsqueeze(-1), b.visual, torch.tensor(50.0))) for b in samples()]
    assert torch.equal(fitted(padded), fitted(samples()))


def test_a_checkpoint_carries_the_dictionary() -> None:
    model, batch = network().eval(), bags(crops=1, wide=True)
    fresh = s3r.S3r(WIDTH, S3rSettings()).eval()
    weights = AnomalyModule(Config(), model=model).state_dict()
    AnomalyModule(Config(), model=fresh).load_weights(weights)
    assert torch.equal(fresh(batch).selected.scores, model(batch).selected.scores)


def test_without_normal_videos_there_is_nothing_to_learn_from() -> None:
    with pytest.raises(UserError, match="normal"):
        fitted(samples(3, abnormal=(0, 1, 2)))


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(UserError, match=r"mmvad\[peers\]"):
        fitted(samples())


@pytest.mark.parametrize(("width", "count"), [(2048, 56_258_690), (512, 3_521_570)])
def test_as_many_parameters_as_are_used_in_the_public_code(width: int, count: int) -> None:
    """81,436,802 at 2048 there, with two projections that are never called."""
    with torch.device("meta"):
        assert trainable_parameters(s3r.S3r(width, S3rSettings())) == count


def test_a_width_that_cannot_be_grouped_is_refused() -> None:
    with pytest.raises(UserError, match="multiple of 32"):
        s3r.build(Setting(48, None, 32, ("a", "b"), None), S3rSettings())
