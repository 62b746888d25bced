"""The network's pieces in their plainest form: one video at a time, segment by segment, valid segments only.

Weights are taken from the modules under test; how they are put to use is written out here.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from open_clip import get_tokenizer
from torch import Tensor, nn

from mmvad.models.graph_convolution import GraphConvolution
from mmvad.models.temporal import AttentionLayer, GraphBranches

SOS, EOS = 49406, 49407


def linear(module: nn.Linear, x: Tensor) -> Tensor:
    y = x @ module.weight.T
    return y if module.bias is None else y + module.bias


def quick_gelu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-1.702 * x))


def ffn(module: nn.Sequential, x: Tensor) -> Tensor:
    return linear(module[2], quick_gelu(linear(module[0], x)))


def layer_norm(module: nn.LayerNorm, x: Tensor) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(dim=-1, keepdim=True) + module.eps) * module.weight + module.bias


def unit(x: Tensor) -> Tensor:
    return x / torch.sqrt((x * x).sum(dim=-1, keepdim=True))


def windowed_attention(layer: AttentionLayer, x: Tensor, window: int) -> Tensor:
    """One layer over the n valid segments [n, d]: full n x n attention under a mask of windows (0: no windows)."""
    n, width = x.shape
    q, k, v = linear(layer.inputs, layer_norm(layer.norm_attention, x)).split(width, dim=-1)
    same = torch.tensor([[not window or i // window == j // window for j in range(n)] for i in range(n)])
    heads, size = [], width // layer.heads
    for h in range(layer.heads):
        part = slice(h * size, (h + 1) * size)
        scores = q[:, part] @ k[:, part].T / math.sqrt(size)
        heads.append(scores.masked_fill(~same, float("-inf")).softmax(dim=-1) @ v[:, part])
    x = x + linear(layer.output, torch.cat(heads, dim=-1))
    return x + ffn(layer.ffn, layer_norm(layer.norm_ffn, x))


def similarity_graph(x: Tensor) -> Tensor:
    """[n, n]: each row the softmax of the cosines above 0.7; nothing below the cut, but always the segment itself."""
    n = len(x)
    rows = []
    for i in range(n):
        cosines = [(x[i] @ x[j]) / (x[i].norm() * x[j].norm()) for j in range(n)]
        kept = [i == j or c.detach().item() > 0.7 for j, c in enumerate(cosines)]
        exponentials = [torch.exp(c) if keep else torch.zeros(()) for c, keep in zip(cosines, kept)]
        rows.append(torch.stack([e / sum(exponentials[1:], exponentials[0]) for e in exponentials]))
    return torch.stack(rows)


def distance_graph(n: int) -> Tensor:
    return torch.tensor([[math.exp(-abs(i - j) / math.e) for j in range(n)] for i in range(n)])


def convolution(module: nn.Conv1d, x: Tensor) -> Tensor:
    """An odd kernel along the video; nothing lies outside it."""
    taps = module.kernel_size[0]
    rows = []
    for t in range(len(x)):
        row = module.bias.clone()
        for tap in range(taps):
            if 0 <= t + tap - taps // 2 < len(x):
                row = row + module.weight[:, :, tap] @ x[t + tap - taps // 2]
        rows.append(row)
    return torch.stack(rows)


def graph_layer(layer: GraphConvolution, x: Tensor, adjacency: Tensor) -> Tensor:
    mixed = []
    for i in range(len(x)):
        row = sum((adjacency[i, j] * x[j] for j in range(len(x))), torch.zeros(x.shape[1]))
        mixed.append(linear(layer.weight, row))
    skip = convolution(layer.residual, x) if isinstance(layer.residual, nn.Conv1d) else x
    return torch.stack(mixed) + skip


def graph_branches(branches: GraphBranches, x: Tensor) -> Tensor:
    """Both branches over the n valid segments [n, d], side by side, projected."""
    found = []
    for layers, adjacency in (
        (branches.similarity, similarity_graph(x)),
        (branches.distance, distance_graph(len(x))),
    ):
        h = x
        for layer in layers:
            h = quick_gelu(graph_layer(layer, h, adjacency))
        found.append(h)
    return linear(branches.output, torch.cat(found, dim=-1))


def weighted_vector(features: Tensor, logits: Tensor, weighting: str) -> Tensor:
    """Eq. 7 for one video: features [n, d], logits [n]."""
    values = logits.detach().tolist()
    if weighting == "score":
        weights = [1 / (1 + math.exp(-v)) for v in values]
    elif weighting == "softmax":
        weights = [math.exp(v) / sum(math.exp(u) for u in values) for v in values]
    else:
        weights = values
    total = torch.zeros(features.shape[1])
    for weight, row in zip(weights, features):
        total = total + weight * row
    return total / total.norm()


@cache
def tokenizer() -> Any:
    return get_tokenizer("ViT-B-16-quickgelu")


def full_sentence(name: str, half: int) -> tuple[list[int], list[int | None]]:
    """77 tokens of [SOS][v][name][v][EOS] and padding, and for each place the learned vector that stands there."""
    words = tokenizer()([name])[0].tolist()
    words = words[words.index(SOS) + 1 : words.index(EOS)]
    placeholder = 343
    tokens = [SOS] + [placeholder] * half + words + [placeholder] * half + [EOS]
    vectors = [None, *range(half), *[None] * len(words), *range(half, 2 * half), None]
    rest = 77 - len(tokens)
    return tokens + [0] * rest, vectors + [None] * rest


class _Given(nn.Module):
    """Stands where the token embedding stands, and gives embeddings made beforehand."""

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, tokens: Tensor) -> Tensor:
        del tokens
        return self.embeddings


def encode_sentence(tower: nn.Module, name: str, vectors: Tensor, shift: Tensor | None) -> Tensor:
    """One class's text feature [d] for one video, by open_clip's own forward over all 77 places."""
    tokens, places = full_sentence(name, len(vectors) // 2)
    table = tower.token_embedding
    rows = []
    for token, place in zip(tokens, places):
        row = table.weight[token] if place is None else vectors[place]
        rows.append(row + shift if place is not None and shift is not None else row)
    tower.token_embedding = _Given(torch.stack(rows)[None])
    try:
        return tower(torch.tensor([tokens]))[0]
    finally:
        tower.token_embedding = table


def stretch_means(rows: np.ndarray, segments: int) -> np.ndarray:
    """A video as at most L segments: stretch i has the snippets from floor(i n / L) to floor((i + 1) n / L)."""
    n = len(rows)
    if n <= segments:
        return rows
    out = []
    for i in range(segments):
        first, behind = i * n // segments, (i + 1) * n // segments
        out.append(
            [sum(float(rows[t][d]) for t in range(first, behind)) / (behind - first) for d in range(len(rows[0]))]
        )
    return np.array(out)
