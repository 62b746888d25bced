"""UR-DMU in its plainest form: one video's n valid segments, heads and memory slots one by one, nothing sampled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmvad.models.peers.ur_dmu.network import GlobalLocalAttention, Memory, UrDmu
from tests.plain.network import layer_norm, linear
from tests.plain.objectives import k_of, number, top_k_mean
from tests.plain.peers.graphs import normalised_distance


class Video(NamedTuple):
    x: Tensor
    abnormal: Tensor
    normal: Tensor
    abnormal_latent: Tensor
    normal_latent: Tensor
    log_variance: Tensor
    score: Tensor


def convolution(module: nn.Conv1d, x: Tensor) -> Tensor:
    """Kernel 3 along the video; nothing lies outside it."""
    rows = []
    for t in range(len(x)):
        row = module.bias
        for tap in range(3):
            if 0 <= t + tap - 1 < len(x):
                row = row + module.weight[:, :, tap] @ x[t + tap - 1]
        rows.append(row)
    return torch.stack(rows)


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def attention(module: GlobalLocalAttention, x: Tensor) -> Tensor:
    width = x.shape[1]
    size = width // 4
    q, k, v, w = (x @ part.T for part in module.inputs.weight.split(width))
    joined = []
    for h in range(4):
        part = slice(h * size, (h + 1) * size)
        joined.append((q[:, part] @ k[:, part].T / math.sqrt(size)).softmax(dim=-1) @ v[:, part])
        joined.append(normalised_distance(len(x)) @ w[:, part])
    return linear(module.output[0], torch.cat(joined, dim=-1))


def read(memory: Memory, x: Tensor) -> tuple[Tensor, Tensor]:
    """Scores [n] and read-outs [n, d]."""
    scores, found = [], []
    for row in x:
        answers = [1 / (1 + torch.exp(-(row @ slot) / math.sqrt(len(row)))) for slot in memory.slots]
        scores.append(sum(sorted(answers, key=number)[-4:], torch.zeros(())) / 4)
        found.append(sum((a * slot for a, slot in zip(answers, memory.slots)), torch.zeros(len(row))))
    return torch.stack(scores), torch.stack(found)


def forward(model: UrDmu, x: Tensor) -> Video:
    x = torch.relu(convolution(model.embed, x))
    for block in model.blocks:
        x = x + attention(block.attention, layer_norm(block.norm_attention, x))
        x = x + linear(block.ffn[3], gelu(linear(block.ffn[0], layer_norm(block.norm_ffn, x))))
    abnormal, abnormal_read = read(model.abnormal, x)
    normal, normal_read = read(model.normal, x)
    a, n = linear(model.mean, abnormal_read), linear(model.mean, normal_read)
    hidden = torch.relu(linear(model.classify[0], torch.cat([x, a + n], dim=-1)))
    score = 1 / (1 + torch.exp(-linear(model.classify[2], hidden).squeeze(-1)))
    return Video(x, abnormal, normal, a, n, linear(model.log_variance, normal_read), score)


def surprise(p: Tensor, target: int) -> Tensor:
    return -torch.log(p if target else 1 - p)


def mean(values: Sequence[Tensor]) -> Tensor:
    return sum(values[1:], values[0]) / len(values)


def top_row(rows: Tensor, scores: Tensor) -> Tensor:
    """The mean of the rows at a video's k highest scores."""
    rising = sorted(range(len(scores)), key=lambda t: number(scores[t]))
    return mean([rows[t] for t in rising[-k_of(len(scores)) :]])


def unit(x: Tensor) -> Tensor:
    return x / x.norm()


def losses(videos: Sequence[Video], abnormal: Sequence[bool]) -> dict[str, Tensor]:
    strange = [v for v, y in zip(videos, abnormal) if y]
    usual = [v for v, y in zip(videos, abnormal) if not y]
    bag = mean([surprise(top_k_mean(list(v.score)), y) for v, y in zip(videos, abnormal)])
    memory = (
        mean([surprise(top_k_mean(list(v.abnormal)), 1) for v in strange])
        + mean([surprise(top_k_mean([1 - n for n in v.normal]), 1) for v in strange])
        + mean([surprise(n, 1) for v in usual for n in v.normal])
        + mean([surprise(a, 0) for v in usual for a in v.abnormal])
    )
    triplets, magnitudes = [], []
    for n, a in zip(usual, strange):
        p, q, r = top_row(n.x, n.normal), top_row(a.x, a.normal), top_row(a.x, a.abnormal)
        triplets.append(torch.relu((unit(p) - unit(q)).norm() - (unit(p) - unit(r)).norm() + 1))
        large, small = top_row(a.abnormal_latent, a.abnormal), top_row(n.normal_latent, n.normal)
        magnitudes.append(torch.relu(100 - large.norm() + small.norm()))
    kl = [-0.5 * (1 + s - m**2 - torch.exp(s)).sum() for v in usual for m, s in zip(v.normal_latent, v.log_variance)]
    found = {"bag": bag, "memory": memory, "triplet": mean(triplets), "kl": mean(kl), "magnitude": mean(magnitudes)}
    weights = {"bag": 1, "memory": 0.1, "triplet": 0.1, "kl": 0.001 * 200 / len(videos[0].x[0]), "magnitude": 0.0001}
    return found | {"total": sum((weights[name] * loss for name, loss in found.items()), torch.zeros(()))}
