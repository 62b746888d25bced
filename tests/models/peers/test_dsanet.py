"""DSANet against loops over segments, heads and classes; its texts and its normality branch; padding, parameters."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.benchmarks.registry import benchmark
from mmvad.models.model import trainable_parameters
from mmvad.models.peers.dsanet.network import DsaNet, build
from mmvad.models.peers.dsanet.normality import lowest
from mmvad.models.peers.dsanet.settings import DsaNetSettings
from mmvad.models.setting import Setting
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    small_setting,
    valid_rows,
)
from tests.plain import objectives
from tests.plain.peers import dsanet as plain
from tests.small import PROMPTS, batch, full_encoder

LENGTHS = [1, 5, 18]


def made(**changes: object) -> DsaNet:
    torch.manual_seed(0)
    options = {"window": 4, "decoder_layers": 2, "temperature": 2.0} | changes
    return build(small_setting(), DsaNetSettings(**options))


def test_forward_and_losses_against_loops() -> None:
    model, data = made(), batch(LENGTHS, audio=False)
    text, found = plain.texts(model.texts, PROMPTS), model(data)
    torch.testing.assert_close(found.text, text, **close)
    wanted = [plain.forward(model, x, text, 4) for x in valid_rows(data)]
    coarse, classes = model.scores(found)
    for b, (n, video) in enumerate(zip(LENGTHS, wanted, strict=True)):
        torch.testing.assert_close(coarse[b, :n], torch.sigmoid(video.logits), **close)
        torch.testing.assert_close(found.alignment[b, :n], video.alignment, rtol=1e-4, atol=1e-4)
        shared = (video.alignment[:, 1:] / 2).exp()
        shared = shared / shared.sum(dim=1, keepdim=True) * torch.sigmoid(video.logits / 2)[:, None]
        torch.testing.assert_close(classes[b, :n, 1:], shared, **close)
        torch.testing.assert_close(classes[b, :n].sum(dim=-1), torch.ones(n), **close)
    losses, gathered = model.losses(found, data), [d for video in wanted for d in video.gathered]
    normal = torch.tensor([1.0] + [0.01] * (len(PROMPTS) - 1))
    theirs = {
        "abnormal": sum(plain.smoothed(v.abnormal, y) for v, y in zip(wanted, data.labels)) / 3,
        "normal": sum(plain.smoothed(v.normal, normal) for v in wanted) / 3,
        "consistency": torch.cat([(torch.sigmoid(v.logits) - v.rebuilt) ** 2 for v in wanted]).mean(),
        "gather": sum(gathered, torch.zeros(())) / len(gathered),
        "coarse": objectives.coarse(torch.sigmoid(found.logits), LENGTHS, data.abnormal.tolist()),
        "class": objectives.fine(found.alignment, LENGTHS, data.labels, "cross_entropy", "class"),
        "embed": objectives.embed(text[None], "abs", "mean"),
    }
    theirs["total"] = sum(theirs.values()) + 4 * theirs["class"]
    for name, loss in losses.items():
        torch.testing.assert_close(loss, theirs[name], **close, msg=lambda m, n=name: f"{n}: {m}")


def test_the_lowest_scored_segments_count_as_normal() -> None:
    scores = torch.tensor([[0.5, 0.1, 0.9, 0.2, 0.0], [0.3, 0.1, 0.0, 0.0, 0.0]])
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    assert lowest(scores, mask, 0.8).tolist() == [[True, True, False, True, True], [False, True, False, False, False]]
    assert lowest(scores, mask, 0.1).sum(dim=1).tolist() == [1, 1]


def test_normal_segments_take_no_gradient() -> None:
    model, data = made(), batch(LENGTHS, audio=False)
    model.losses(model(data), data)["gather"].backward()
    assert model.normality.prototypes.grad.abs().sum() > 0
    assert all(p.grad is None or not p.grad.any() for p in model.visual.parameters())


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(made(), lengths, more)


def test_edges_and_learning() -> None:
    assert_strange_bags_are_finite(made())
    assert_trains(made(), batch([1, 6, 18, 20]))


def test_the_normality_branch_decays_by_a_rate_of_its_own() -> None:
    model = made()
    others, refiner = model.parameter_groups(1e-3)
    assert refiner["weight_decay"] == 1e-4
    assert "weight_decay" not in others
    assert sum(p.numel() for group in (others, refiner) for p in group["params"]) == trainable_parameters(model)


def test_parameters_at_full_size() -> None:
    """Counted on the public constructor, at 4 attention and decoder layers in all; less a graph's unused sigma."""
    prompts = tuple(c.prompt for c in benchmark("xd_violence").classes)
    model = build(
        Setting(512, None, 64, prompts, full_encoder()), DsaNetSettings(layers=2, adapted_blocks=2, decoder_layers=3)
    )
    assert trainable_parameters(model) == 28_008_474 - 1
