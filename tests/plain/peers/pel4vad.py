"""PEL4VAD in its plainest form: one video, its valid segments, one scalar at a time. Weights are the module's."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmvad.models.peers.pel4vad.network import PEL4VAD, TwoReaches
from tests.plain import network as plain
from tests.plain import objectives


def read(query: Tensor, key: Tensor, value: Tensor, weight: Tensor, bias: Tensor, reach: float) -> Tensor:
    """softmax over the j within reach of i of q_i k_j / sqrt(128) + exp(-|w (i - j)^2 - b|), times v: [n, 128]."""
    rows = []
    for i in range(len(query)):
        near = [j for j in range(len(key)) if abs(i - j) <= reach]
        scores = [query[i] @ key[j] / math.sqrt(128) + torch.exp(-abs(weight * (i - j) ** 2 - bias)) for j in near]
        exponentials = [torch.exp(s) for s in scores]
        total = sum(exponentials[1:], exponentials[0])
        rows.append(sum((e / total * value[j] for e, j in zip(exponentials, near)), torch.zeros(value.shape[1])))
    return torch.stack(rows)


def normed(u: Tensor, norm: str) -> Tensor:
    if norm == "none":
        return u
    root = torch.sign(u) * torch.sqrt(torch.abs(u))
    lines = root.T if norm == "time" else root
    lines = torch.stack([line / torch.sqrt((line * line).sum()) for line in lines])
    return lines.T if norm == "time" else lines


def attention(module: TwoReaches, x: Tensor, norm: str) -> Tensor:
    query, key, value = (plain.linear(linear, x) for linear in module.inputs)
    share = 1 / (1 + torch.exp(-module.balance))
    distance = (module.distance_weight, module.distance_bias)
    wide, narrow = (read(query, key, value, *distance, reach) for reach in (math.inf, 4))
    u = normed(share * wide + (1 - share) * narrow, norm)
    return plain.layer_norm(module.layer_norm, x + plain.linear(module.output, u))


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def forward(model: PEL4VAD, x: Tensor, norm: str) -> tuple[Tensor, Tensor]:
    """One video [n, d] -> logits [n], h [n, text width]; the scorer sees the last rows up to t."""
    h = gelu(plain.linear(model.first, attention(model.attention, x, norm)))
    e = gelu(plain.linear(model.second, h))
    taps = model.scorer.weight.shape[2]
    logits = []
    for t in range(len(e)):
        z = model.scorer.bias[0]
        for tap in range(taps):
            if t - tap >= 0:
                z = z + model.scorer.weight[0, :, taps - 1 - tap] @ e[t - tap]
        logits.append(z)
    return torch.stack(logits), h


def class_text(tower: torch.nn.Module, words: list[str]) -> Tensor:
    rows = [
        plain.encode_sentence(tower, word, torch.zeros(0, tower.token_embedding.weight.shape[1]), None)
        for word in words
    ]
    return sum(rows[1:], rows[0]) / len(rows)


def coarse(scores: list[Tensor], abnormal: list[bool]) -> Tensor:
    """The highest score of a normal bag, the mean of the k highest of an abnormal one."""
    total = torch.zeros(())
    for s, y in zip(scores, abnormal):
        total = total - (torch.log(objectives.top_k_mean(list(s))) if y else torch.log(1 - s.max()))
    return total / len(scores)


def highlighted(h: Tensor, scores: Tensor) -> Tensor:
    weights = [torch.exp(10 * s) - 1 for s in scores]
    total = sum(weights[1:], weights[0])
    return sum((w / total * row for w, row in zip(weights, h)), torch.zeros(h.shape[1]))


def concepts(
    features: list[Tensor], scores: list[Tensor], kinds: list[int], texts: Tensor, temperature: float
) -> Tensor:
    """Mean over items of KL(wanted || found) over the texts of all items; `kinds` are the videos' classes."""
    items = []
    for h, s, kind in zip(features, scores, kinds):
        items.append((highlighted(h, s), kind))
        if kind:
            items.append((highlighted(h, 1 - s), 0))
    total = torch.zeros(())
    for item, kind in items:
        found = [torch.exp(objectives.cosine(item, texts[other]) / temperature) for _, other in items]
        wanted = [math.exp(10.0 * (kind == other)) for _, other in items]
        for r, q in zip(wanted, found):
            share = r / sum(wanted)
            total = total + share * (math.log(share) - torch.log(q / sum(found[1:], found[0])))
    return total / len(items)
