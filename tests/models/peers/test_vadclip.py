"""VadCLIP: its equations, its options, its size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.benchmarks.registry import benchmark
from mmvad.models.model import trainable_parameters
from mmvad.models.peers.vadclip.network import VadCLIP, build
from mmvad.models.peers.vadclip.settings import VadClipSettings
from mmvad.models.setting import Setting
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    small_setting,
)
from tests.plain.peers import vadclip as plain
from tests.small import PROMPTS, batch, full_encoder

TRACED_BACK = True


def vadclip(**changes: object) -> VadCLIP:
    torch.manual_seed(0)
    options = {"window": 4, "prompt_half": 2, "lambda_embed": 0.1} | changes
    return build(small_setting(), VadClipSettings(**options))


@pytest.mark.parametrize(
    ("distance", "weighting", "layers"), [("kernel", "score", 1), ("softmax", "logit", 2), ("kernel", "logit", 1)]
)
def test_forward_and_losses(distance: str, weighting: str, layers: int) -> None:
    lengths = [1, 5, 18]
    made = vadclip(distance=distance, weighting=weighting, layers=layers)
    videos = batch(lengths)
    videos.visual[1, :4] = videos.visual[1, 4] + 0.5 * videos.visual[1, :4]  # some are alike, so that the cut matters
    out = made(videos)
    for b, n in enumerate(lengths):
        logits, alignment, text = plain.forward(made, videos.visual[b, :n], PROMPTS, 2, 4, distance, weighting)
        torch.testing.assert_close(made.scores(out).coarse[b, :n], torch.sigmoid(logits), **close)
        torch.testing.assert_close(out.alignment[b, :n], alignment, rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(made.scores(out).classes[b, :n], alignment.softmax(dim=-1), **close)
        torch.testing.assert_close(out.text[0], text, **close)
    wanted = plain.loss(out.logits, out.alignment, out.text[0], lengths, videos.labels, 0.1)
    torch.testing.assert_close(made.losses(out, videos)["total"], wanted, **close)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 24), st.sampled_from(["kernel", "softmax"]))
def test_padding(lengths: list[int], more: int, distance: str) -> None:
    assert_padding_changes_nothing(vadclip(distance=distance, layers=2), lengths, more)


def test_training() -> None:
    assert_strange_bags_are_finite(vadclip())
    assert_trains(vadclip(), batch([1, 6, 18, 20]))


def test_features_of_another_width_are_aligned_to_the_text() -> None:
    made = build(small_setting(visual=24), VadClipSettings(prompt_half=2))
    videos = batch([3, 5])
    assert made(videos._replace(visual=torch.randn(2, 5, 24))).alignment.shape == (2, 5, 7)


def test_published_names_of_classes() -> None:
    """`roadAccidents` is one word of the public code's, of other tokens than ours."""
    setting = replace(small_setting(), prompts=("normal", "road accidents"))
    texts = {
        names: build(setting, VadClipSettings(class_names=names, prompt_half=2)).branches.texts.frozen
        for names in ("words", "published")
    }
    assert torch.equal(texts["words"][0], texts["published"][0, : len(texts["words"][0])])
    assert not torch.equal(texts["words"][1], texts["published"][1, : len(texts["words"][1])])


def full(name: str, layers: int) -> int:
    encoder = full_encoder()
    setting = Setting(512, None, 256, tuple(c.prompt for c in benchmark(name).classes), encoder)
    return trainable_parameters(build(setting, VadClipSettings(layers=layers)))


def test_number_of_trainable_parameters() -> None:
    """The public code's 9,489,922 and 12,642,306 count one number that it never uses, a graph's sigma."""
    assert full("xd_violence", 1) == 9_489_922 - 1
    assert full("ucf_crime", 2) == 12_642_306 - 1
