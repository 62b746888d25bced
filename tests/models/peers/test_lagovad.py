"""LaGoVAD against segments and heads one by one; its window and synthesis; padding, parameters."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.lagovad.network import ClassTexts, LaGoVad, Reading, build, pseudo_losses
from mmvad.models.peers.lagovad.settings import LaGoVadSettings
from mmvad.models.peers.lagovad.synthesis import synthesised
from mmvad.models.peers.lagovad.temporal import RotaryLayer
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    small_setting,
    valid_rows,
)
from tests.plain import network as plain
from tests.plain.objectives import number
from tests.plain.peers.ur_dmu import gelu
from tests.small import PROMPTS, batch

DROPOUT = {f"temporal.layers.{i}.{name}dropout": 0.1 for i in range(2) for name in ("weights_", "")} | {
    f"fusion.{i}.{name}.ffn.{place}": 0.1 for i in range(2) for name in ("texts", "video") for place in (2, 4)
}

LENGTHS = [1, 9, 35]


def made(**changes: object) -> LaGoVad:
    torch.manual_seed(0)
    options = {"prompt_half": 2, "dropout": 0.0, "window": 5, "layers": 1, "fusion_layers": 1} | changes
    model = build(small_setting(), LaGoVadSettings(**options))
    with torch.no_grad():  # as large as they are published, prompts leave no difference between classes
        model.texts.vectors.mul_(0.02)
    return model


def plain_texts(module: ClassTexts, half: int) -> Tensor:
    """Each sentence by the tower's own forward; a learned vector with its place's position taken off: [C, width]."""
    tower, rows = module.encoder.tower, []
    projection, tower.text_projection = tower.text_projection, None
    for name in PROMPTS:
        places = [place for place, vector in enumerate(plain.full_sentence(name, half)[1]) if vector is not None]
        vectors = module.vectors - tower.positional_embedding[places]
        rows.append(plain.encode_sentence(tower, name, vectors, None))
    tower.text_projection = projection
    return torch.stack(rows)


def turned(x: Tensor, t: int) -> Tensor:
    """Neighbouring numbers as complex ones, times e^(i t / 10000^(2 p / d)): [d] -> [d]."""
    pairs = torch.complex(x[0::2], x[1::2])
    angles = torch.tensor([t / 10000 ** (2 * p / len(x)) for p in range(len(pairs))])
    return torch.view_as_real(pairs * torch.exp(1j * angles)).flatten()


def plain_layer(layer: RotaryLayer, x: Tensor, reach: int) -> Tensor:
    q, k, v = (plain.linear(part, x) for part in (layer.query, layer.key, layer.value))
    size, rows = x.shape[1] // 4, []
    for i in range(len(x)):
        near, heads = range(max(0, i - reach), min(len(x), i + reach + 1)), []
        for h in range(4):
            part = slice(h * size, (h + 1) * size)
            e = torch.stack([turned(q[i, part], i) @ turned(k[j, part], j) / math.sqrt(size) for j in near])
            heads.append(e.softmax(dim=0) @ v[list(near), part])
        rows.append(torch.cat(heads))
    x = plain.layer_norm(layer.norm, x + plain.linear(layer.output, torch.stack(rows)))
    return plain.layer_norm(layer.norm_ffn, x + plain.linear(layer.narrow, gelu(plain.linear(layer.widen, x))))


def plain_reading(module: Reading, x: Tensor, y: Tensor) -> Tensor:
    """Eight heads by slices of one matrix: [n, d], [m, d] -> [n, d]."""
    width, attention = x.shape[1], module.attention
    (wq, wk, wv), (bq, bk, bv) = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    q, k, v = x @ wq.T + bq, y @ wk.T + bk, y @ wv.T + bv
    size, heads = width // 8, []
    for h in range(8):
        part = slice(h * size, (h + 1) * size)
        heads.append((q[:, part] @ k[:, part].T / math.sqrt(size)).softmax(dim=1) @ v[:, part])
    x = plain.layer_norm(module.norm, x + plain.linear(attention.out_proj, torch.cat(heads, dim=1)))
    return plain.layer_norm(module.norm_ffn, x + plain.linear(module.ffn[3], gelu(plain.linear(module.ffn[0], x))))


def plain_scorer(head: torch.nn.Conv1d, x: Tensor) -> Tensor:
    """Nine taps; at the ends the outermost segment again: [n, d] -> [n]."""
    n = len(x)
    taps = [[x[min(max(t + tap - 4, 0), n - 1)] @ head.weight[0, :, tap] for tap in range(9)] for t in range(n)]
    return torch.stack([torch.stack(row).sum() for row in taps]) + head.bias


def highest(values: Tensor, share: int) -> Tensor:
    return torch.stack(sorted(values, key=number)[-max(1, len(values) // share) :]).mean()


@torch.no_grad()
def test_forward_and_losses_against_loops() -> None:
    model, data = made(class_weight=0.5, layers=2, fusion_layers=2), batch(LENGTHS, audio=False)
    model.temperature.fill_(0.3)
    coarse, classes = model.scores(model(data))
    bags, videos, texts = [], [], plain_texts(model.texts, 2)
    for b, (n, x) in enumerate(zip(LENGTHS, valid_rows(data), strict=True)):
        x = plain.linear(model.align, x)
        found = x
        for layer in model.temporal.layers:
            found = plain_layer(layer, found, 2)
        v = x + found
        fused, text = v, texts
        for layer in model.fusion:
            text, fused = plain_reading(layer.texts, text, fused), plain_reading(layer.video, fused, text)
        share = 1 / (1 + math.exp(-2.5))
        z = share * plain_scorer(model.before, v) + (1 - share) * plain_scorer(model.after, fused)
        m = plain.unit(fused) @ plain.unit(text).T / 0.3
        torch.testing.assert_close(coarse[b, :n], torch.sigmoid(z), **close)
        torch.testing.assert_close(classes[b, :n], m.softmax(dim=-1), **close)
        bags.append(torch.sigmoid(highest(z, 16)))
        videos.append(torch.stack([highest(column, 16) for column in m.T]))
    bag = -sum(torch.log(p if y else 1 - p) for p, y in zip(bags, data.abnormal)) / 3
    target = data.labels / data.labels.sum(dim=1, keepdim=True)
    fine = -sum((y * torch.log(u.exp() / u.exp().sum())).sum() for y, u in zip(target, videos)) / 3
    losses = model.losses(model(data), data)
    for name, wanted in (("bag", bag), ("class", fine), ("total", bag + 0.5 * fine)):
        torch.testing.assert_close(losses[name], wanted, **close)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(made(), lengths, more, atol=1e-4)


@pytest.mark.parametrize("synthesis", [False, True])
def test_edges_and_learning(synthesis: bool) -> None:
    assert_strange_bags_are_finite(made(synthesis=synthesis))
    assert_trains(made(synthesis=synthesis, alone=0.99), batch([1, 6, 18, 20]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=2, max_size=5), st.integers(0, 99))
def test_synthesised_videos(lengths: list[int], seed: int) -> None:
    """Own segments are the video's, in order, and together; all others are neighbours in normal videos."""
    videos, mask = len(lengths), torch.arange(70) < torch.tensor(lengths)[:, None]
    times = torch.arange(70).expand(videos, -1)
    visual = torch.stack([torch.arange(videos)[:, None].expand(-1, 70), times], dim=-1).float() * mask.unsqueeze(-1)
    normal = torch.arange(videos) % 2 == 0
    torch.manual_seed(seed)
    found = synthesised(visual, mask, normal, 5, 0.2)
    for b, n in enumerate(lengths):
        rows = found.visual[b, : int(found.mask[b].sum())].long().tolist()
        own = [row for row, mine in zip(rows, found.own[b]) if mine]
        assert own == [[b, t] for t in range(n)]
        others = [row for row, mine in zip(rows, found.own[b]) if not mine]
        assert all(normal[video] and t < lengths[video] for video, t in others)
        breaks = sum(q != [p[0], p[1] + 1] for p, q in pairwise(rows))
        assert breaks <= 4
        assert not found.visual[b, len(rows) :].any()


def test_synthesis_beyond_l_alone_and_without_normal_videos() -> None:
    data = batch([20, 20, 20, 20], labels=[[0], [1], [0], [2]], audio=False)
    torch.manual_seed(1)
    found = synthesised(data.visual, data.mask, ~data.abnormal, 5, 0.0)
    assert found.mask.all()
    assert 0 < found.own.float().mean() < 1
    for alone, normal in ((0.999999, ~data.abnormal), (0.0, torch.zeros(4, dtype=torch.bool))):
        same = synthesised(data.visual, data.mask, normal, 5, alone)
        assert torch.equal(same.visual, data.visual)
        assert torch.equal(same.own, data.mask)


def test_pseudo_losses_against_loops() -> None:
    logits, mask = torch.randn(3, 20), torch.arange(20) < torch.tensor([20, 9, 3])[:, None]
    abnormal = torch.zeros(3, 20, dtype=torch.bool)
    abnormal[0, 4:15] = True
    p = torch.sigmoid(logits)
    each = [-torch.log(p[b, t] if abnormal[b, t] else 1 - p[b, t]) for b in range(3) for t in range(int(mask[b].sum()))]
    tops = [torch.sigmoid(highest(part, 4)) for part in (logits[0, 4:15], logits[1, :9], logits[2, :3])]
    found = pseudo_losses(logits, mask, abnormal)
    torch.testing.assert_close(found["pseudo"], sum(each) / len(each))
    bag = -(torch.log(tops[0]) + torch.log(1 - tops[1]) + torch.log(1 - tops[2])) / 3
    torch.testing.assert_close(found["pseudo_bag"], bag)


def parameters_of(width: int) -> int:
    """Two temporal layers, two of fusion, prompts, two scorers and two numbers."""
    attention, ffn, norms = 4 * width**2 + 4 * width, 8 * width**2 + 5 * width, 4 * width
    return 6 * (attention + ffn + norms) + 32 * width + 2 * (9 * width + 1) + 2


def test_parameters() -> None:
    """As many as the public constructor makes."""
    model = build(small_setting(visual=64), LaGoVadSettings())
    assert trainable_parameters(model) == parameters_of(64)
    assert parameters_of(512) == 18_939_908
