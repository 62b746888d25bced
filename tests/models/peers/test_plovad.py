"""PLOVAD against heads and segments one by one; its edges; padding, parameters."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmvad.benchmarks.registry import benchmark
from mmvad.models.model import trainable_parameters
from mmvad.models.peers.plovad.network import Plovad, build, edges_of
from mmvad.models.peers.plovad.settings import PlovadSettings
from mmvad.models.setting import Setting
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    small_setting,
    valid_rows,
)
from tests.plain.network import layer_norm, linear, unit
from tests.plain.objectives import k_of, number
from tests.plain.peers.ur_dmu import gelu
from tests.plain.peers.vadclip import class_texts
from tests.small import PROMPTS, batch, full_encoder

DROPOUT = {"temporal.attention.dropout": 0.6}

LENGTHS = [1, 5, 40]


def made(**changes: object) -> Plovad:
    torch.manual_seed(0)
    options = {"prompt_half": 2, "dropout": 0.0} | changes
    return build(small_setting(), PlovadSettings(**options))


def plain_edges(x: Tensor, share: float = 0.55) -> list[list[bool]]:
    largest = sorted(range(len(x)), key=lambda t: -number(x[t].norm()))[: int(share * len(x))]
    return [[abs(i - j) <= 13 and (i in largest or j in largest) for j in range(len(x))] for i in range(len(x))]


def plain_features(model: Plovad, x: Tensor, norm: str) -> Tensor:
    """Head by head and segment by segment: [n, d] -> [n, d]."""
    module, edges = model.temporal.attention, plain_edges(x)
    width, outputs = x.shape[1] // 4, []
    for head in range(4):
        part = slice(head * width, (head + 1) * width)
        h = x @ module.weight.weight[part].T
        rows = []
        for i in range(len(x)):
            own, others = module.ends[head]
            e = [own @ h[i] + others @ h[j] for j in range(len(x))]
            e = [v if v > 0 else 0.1 * v for v in e]
            weights = [torch.exp(v) if edge else torch.zeros(()) for v, edge in zip(e, edges[i])]
            if not any(edges[i]):
                weights = [torch.ones(())] * len(x)
            read = sum((w * row for w, row in zip(weights, h)), torch.zeros(width)) / sum(weights)
            read = torch.where(read > 0, read, torch.exp(read) - 1)
            kernel, bias = module.residual.weight[part], module.residual.bias[part]
            taps = [kernel[:, :, k] @ x[i + k - 2] for k in range(5) if 0 <= i + k - 2 < len(x)]
            rows.append(read + bias + sum(taps))
        outputs.append(torch.stack(rows))
    u = torch.cat(outputs, dim=-1)
    root = torch.sign(u) * torch.sqrt(u.abs())
    scaled = root / torch.sqrt((root**2).sum(dim=0 if norm == "time" else 1, keepdim=True))
    return layer_norm(model.temporal.layer_norm, x + linear(model.temporal.output, scaled))


@pytest.mark.parametrize("norm", ["features", "time"])
def test_forward_and_losses_against_loops(norm: str) -> None:
    model, data = made(norm=norm, class_weight=0.5), batch(LENGTHS, audio=False)
    found, text = model(data), class_texts(model.texts, PROMPTS, 2)
    coarse, classes = model.scores(found)
    bags, videos = [], []
    for b, (n, x) in enumerate(zip(LENGTHS, valid_rows(data), strict=True)):
        v = plain_features(model, x, norm)
        s = torch.sigmoid(linear(model.classify[2], gelu(linear(model.classify[0], v)))).squeeze(-1)
        m = unit(v) @ unit(text).T / 0.09
        torch.testing.assert_close(coarse[b, :n], s, **close)
        torch.testing.assert_close(classes[b, :n], m.softmax(dim=-1), rtol=1e-4, atol=1e-5)
        k = k_of(n) if data.abnormal[b] else 1
        bags.append(torch.stack(sorted(s, key=number)[-k:]).mean())
        videos.append(torch.stack([torch.stack(sorted(column, key=number)[-k:]).mean() for column in m.T]))
    bag = -sum(torch.log(p if y else 1 - p) for p, y in zip(bags, data.abnormal)) / 3
    target = data.labels / data.labels.sum(dim=1, keepdim=True)
    fine = -sum((y * torch.log(u.exp() / u.exp().sum())).sum() for y, u in zip(target, videos)) / 3
    losses = model.losses(found, data)
    for name, wanted in (("bag", bag), ("class", fine), ("total", bag + 0.5 * fine)):
        torch.testing.assert_close(losses[name], wanted, **close)


def test_the_graph_of_public_code_ends_where_ours_does() -> None:
    """It asks whether exp(-|0.6 d^2 - 0.2|) is above 0 in single precision."""
    d = torch.arange(30, dtype=torch.float32)
    assert int((torch.exp(-(0.6 * d**2 - 0.2).abs()) > 0).sum()) == 14
    data = batch([30, 12], audio=False)
    found = edges_of(data.visual, data.mask, 0.3)
    for b, x in enumerate(valid_rows(data)):
        assert found[b, : len(x), : len(x)].tolist() == plain_edges(x, 0.3)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(made(), lengths, more, atol=1e-4)


def test_edges_and_learning() -> None:
    assert_strange_bags_are_finite(made())
    assert_trains(made(), batch([1, 6, 18, 20]))


def test_a_heads_weights_are_xaviers_with_a_gain() -> None:
    attention = made().temporal.attention
    for weight, fans in ((attention.weight.weight, 16 + 4), (attention.ends, 1 + 2 * 4)):
        bound = math.sqrt(2) * math.sqrt(6 / fans)
        assert 0.9 * bound < weight.abs().max() <= bound


def test_parameters() -> None:
    """The public code's 4,044,036 less a feed-forward part, a norm and a graph's two numbers that it never uses."""
    prompts = tuple(c.prompt for c in benchmark("ucf_crime").classes)
    model = build(Setting(512, None, 200, prompts, full_encoder()), PlovadSettings())
    assert trainable_parameters(model) == 4_044_036 - (2 * 512 * 2048 + 2048 + 512) - 2 * 512 - 2
