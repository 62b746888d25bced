"""The dual-stream model's step against the plain one of the field's public code: losses, gradients, twenty steps."""

from __future__ import annotations

import copy

import pytest
import torch

from mmvad.models.dual_stream_model import DualStreamModel
from mmvad.models.model import Batch
from tests.plain.training import PlainModel
from tests.small import PROMPTS, batch, gradients, losses, network

LENGTHS = [1, 7, 17, 24, 3, 48, 47, 30, 16]
CONFIGURATIONS = {
    "dual stream": {"acp": "pre_post"},
    "vadclip's": {"acp": "post", "audio_width": None},
    "coarse alone": {"text": False},
    "the demo's": {"acp": "pre_post"},
    "convolution": {"temporal": ("conv", 1, 1, 1, 0.3)},
    "whole-video attention": {"temporal": ("global", 2, 2, 5, 0.3), "weighting": "softmax"},
}


SOME = [1, 17, 48, 30]
"""Of twenty steps: the plain form encodes 77 tokens a class and video."""


def videos(seed: int, audio: bool, lengths: list[int] = LENGTHS) -> Batch:
    has_audio = [b % 3 < 2 for b in range(len(lengths))]
    return batch(lengths, seed=seed, audio=audio, has_audio=has_audio)


def both(name: str, dropout: float = 0.4) -> tuple[DualStreamModel, PlainModel]:
    options = {"temporal": ("local_gcn", 2, 2, 5, 0.3), **CONFIGURATIONS[name]}
    pairing = "foreground" if name == "the demo's" else "within_kind"
    settings = losses(contrast_select="label", contrast_pairing=pairing)
    model = DualStreamModel(network(dropout=dropout, **options).train(), settings)
    return model, PlainModel(model, PROMPTS)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_losses_and_gradients_are_the_public_codes(name: str) -> None:
    model, plain = both(name)
    inputs = videos(0, audio="vadclip" not in name)
    found = []
    for losses_of in (lambda b: model.losses(model(b), b), plain.losses):
        torch.manual_seed(4)
        model.zero_grad()
        each = losses_of(inputs)
        each["total"].backward()
        found.append({**{k: v.detach() for k, v in each.items()}, **gradients(model)})
    assert found[0].keys() == found[1].keys()
    assert found[0]["contrast"] > 0.1
    for key, value in found[1].items():
        size = max(1.0, float(value.abs().max()))
        torch.testing.assert_close(found[0][key] / size, value / size, rtol=1e-4, atol=1e-5, msg=key)
        if key in {"coarse", "contrast", "fine", "embed", "total"}:
            torch.testing.assert_close(found[0][key], value, rtol=1e-5, atol=1e-5, msg=key)


@pytest.mark.parametrize("name", ["dual stream", "vadclip's", "the demo's"])
def test_twenty_steps_of_training_stay_together(name: str) -> None:
    """Fused Adam here, torch's default there, dropout on, the same seed: every loss to 1e-5."""
    series = []
    for which in (0, 1):
        model, plain = both(name)
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(parameters, 1e-4, fused=True if which == 0 else None)
        torch.manual_seed(4)
        totals = []
        for step in range(20):
            inputs = videos(step, audio="vadclip" not in name, lengths=SOME)
            each = model.losses(model(inputs), inputs) if which == 0 else plain.losses(inputs)
            optimizer.zero_grad()
            each["total"].backward()
            optimizer.step()
            totals.append(each["total"].item())
        series.append(totals)
    assert series[0] == pytest.approx(series[1], rel=1e-5, abs=1e-5)
    assert series[0][0] != series[0][-1]


def test_in_double_precision_nothing_but_rounding_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a rate so high that single precision drifts apart: twenty losses of Adam at 1e-3 to 1e-6."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    series = []
    for which in (0, 1):
        model, plain = copy.deepcopy(both("dual stream"))  # other tests share the frozen tower
        model.double()
        plain.tower.double()
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-3)
        torch.manual_seed(4)
        totals = []
        for step in range(20):
            inputs = videos(step, audio=True, lengths=SOME)
            inputs = inputs._replace(visual=inputs.visual.double(), audio=inputs.audio.double())
            each = model.losses(model(inputs), inputs) if which == 0 else plain.losses(inputs)
            optimizer.zero_grad()
            each["total"].backward()
            optimizer.step()
            totals.append(each["total"].item())
        series.append(totals)
    assert series[0] == pytest.approx(series[1], rel=1e-6, abs=1e-6)
