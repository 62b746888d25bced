"""C2FPL's pseudo labels against loops over windows, and what its clusters find; its loss; padding, parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.config.load import load_config
from mmvad.errors import UserError
from mmvad.models.model import Batch, trainable_parameters
from mmvad.models.peers.c2fpl.network import C2fpl, build
from mmvad.models.peers.c2fpl.pseudo_labels import abnormal_videos, stretches
from mmvad.models.peers.c2fpl.settings import C2fplSettings
from tests.models.peers.properties import (
    TOGETHER,
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    bags,
    close,
    small_setting,
)

DROPOUT = {"layers.2": 0.6}
XAVIER = "uniform"
BIASES = False

LENGTHS = (24, 5, 11, 30, 7, 13, 20, 9)


def samples(changed: int = 4) -> list[Batch]:
    """Videos of two crops each; in the last ones a stretch has larger features."""
    found = []
    for i, n in enumerate(LENGTHS):
        video = bags((n,), seed=i, labels=[[1 if i >= len(LENGTHS) - changed else 0]])
        if i >= len(LENGTHS) - changed:
            video.visual[:, n // 3 : n // 3 + max(n // 5, 1)] *= 2 + 0.1 * i
        found.append(video)
    return found


def made(**changes: object) -> C2fpl:
    torch.manual_seed(0)
    model = build(small_setting(), C2fplSettings(**({"dropout": 0.0} | changes)))
    model.fit_offline(samples())
    return model


def plain_stretch(norms: list[float], mean: float, variance: float, share: float) -> list[bool]:
    """The first window of the largest change, window by window."""
    likely = [math.exp(-((q - mean) ** 2) / (2 * variance)) for q in norms]
    width = int(len(norms) * share)
    changes = [
        sum(abs(likely[t + 1] - likely[t]) for t in range(start, start + width - 1))
        for start in range(len(norms) - width + 1)
    ]
    first = changes.index(max(changes))
    return [first <= t < first + width for t in range(len(norms))]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.sampled_from([0.2, 0.5, 1.0]), st.integers(0, 9))
def test_the_stretch_of_the_largest_change(lengths: list[int], share: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    norms = torch.from_numpy(draw.gamma(5, 3, mask.shape).astype(np.float32)) * mask
    found = stretches(norms, mask, torch.tensor([15.0, 40.0]), share)
    for b, n in enumerate(lengths):
        assert found[b, :n].tolist() == plain_stretch(norms[b, :n].tolist(), 15.0, 40.0, share)
    assert not (found & ~mask).any()


def test_clusters_find_videos_whose_norms_change() -> None:
    """As many as are normal in the end, those that stand out among them."""
    draw = np.random.default_rng(0)
    usual = np.stack([draw.normal(16, 0.2, 30), draw.normal(10, 0.5, 30)], axis=1)
    strange = np.stack([draw.normal(18, 0.2, 10), draw.normal(60, 3, 10)], axis=1)
    found = abnormal_videos(np.concatenate([usual, strange]), 0.03)
    assert found[30:].all()
    assert found.sum() == 20


def test_too_few_videos_are_all_normal_or_refused() -> None:
    assert not abnormal_videos(np.ones((2, 2)), 0.03).any()
    with pytest.raises(UserError, match=r"data\.bank: has 1 training samples"):
        build(small_setting(), C2fplSettings()).fit_offline(samples()[:1])


def test_a_batch_finds_its_videos_again_however_it_is_padded() -> None:
    model, videos = made(), samples()
    assert 0 < model.abnormal.sum() < len(videos)
    for i, video in enumerate(videos):
        wide = {
            "visual": torch.nn.functional.pad(video.visual, (0, 0, 0, 9)),
            "mask": torch.nn.functional.pad(video.mask, (0, 9)),
        }
        for one in (video, video._replace(**wide)):
            labelled = model.pseudo_labels(one)
            norms = one.visual[:, : LENGTHS[i]].square().sum(dim=-1).mean(dim=0)
            wanted = plain_stretch(norms.tolist(), *model.normal.tolist(), 0.2)
            assert labelled[0, : LENGTHS[i]].tolist() == [w and bool(model.abnormal[i]) for w in wanted]


def test_videos_labels_decide_where_they_may_and_nowhere_else() -> None:
    weak, clusters = made(labels="videos"), made()
    assert weak.abnormal.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    for video in samples():
        turned = video._replace(labels=video.labels.flip(-1))
        assert torch.equal(clusters.pseudo_labels(video), clusters.pseudo_labels(turned))
        assert weak.pseudo_labels(video).any() == bool(video.abnormal[0])


def test_loss_is_the_mean_over_segments() -> None:
    model, video = made().eval(), samples()[6]
    p, labels = model(video)[0], model.pseudo_labels(video)[0]
    assert labels.any()
    terms = [-torch.log(s if y else 1 - s) for s, y in zip(p, labels)]
    torch.testing.assert_close(model.losses(model(video), video)["total"], torch.stack(terms).mean(), **close)
    each = [model.layers(rows).sigmoid().squeeze(-1) for rows in video.visual]
    torch.testing.assert_close(p, sum(each) / len(each), **close)


def test_what_holds_for_every_peer() -> None:
    model = made().eval()
    assert_padding_changes_nothing(model, [1, 4, 20], 7, TOGETHER)
    assert_strange_bags_are_finite(made(dropout=0.6), TOGETHER)
    assert_trains(made(), bags())


def test_parameters() -> None:
    """The public code's 2,131,041 at 2048 less two attention layers that it never uses."""
    with torch.device("meta"):
        model = build(small_setting(visual=2048), C2fplSettings())
    assert trainable_parameters(model) == 2_131_041 - (2048 * 512 + 512) - (512 * 32 + 32)


def test_its_settings_know_the_optimiser() -> None:
    assert load_config(["peers/c2fpl_ucf"]).optim.name == "nesterov"
