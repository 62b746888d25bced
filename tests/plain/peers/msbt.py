"""MSBT in its plainest form: one video's n valid segments, its fusion steps written out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmvad.models.peers.msbt.network import Layer, Msbt
from tests.plain.network import layer_norm, linear, unit


def transform(layer: Layer, queries: Tensor, source: Tensor) -> Tensor:
    """One layer, head by head, without dropout."""
    queries, source = layer_norm(layer.norm, queries), layer_norm(layer.norm, source)
    attention, width = layer.attention, queries.shape[1]
    q, k, v = (
        x @ w.T + b
        for x, w, b in zip(
            (queries, source, source), attention.in_proj_weight.split(width), attention.in_proj_bias.split(width)
        )
    )
    size, heads = width // attention.num_heads, []
    for h in range(attention.num_heads):
        part = slice(h * size, (h + 1) * size)
        heads.append((q[:, part] @ k[:, part].T / math.sqrt(size)).softmax(dim=-1) @ v[:, part])
    x = layer_norm(layer.norm_attention, queries + linear(attention.out_proj, torch.cat(heads, dim=-1)))
    hidden = torch.relu(linear(layer.ffn[0], x))
    return layer_norm(layer.norm_ffn, x + linear(layer.ffn[3], hidden))


def fuse(model: Msbt, teller: Tensor, listener: Tensor) -> tuple[Tensor, Tensor]:
    fusion, n = model.fusion, len(teller)
    told = fusion.tokens[0][0]
    for step, layer in enumerate(fusion.layers):
        both = transform(layer, torch.cat([teller, told]), torch.cat([teller, told]))
        teller, last = both[:n], both[n:]
        both = transform(layer, torch.cat([listener, last]), torch.cat([listener, last]))
        listener = both[:n]
        if step + 1 < len(fusion.layers):
            told = transform(fusion.decoder, fusion.tokens[step + 1][0], last)
    return listener, last


def scored(head: nn.Sequential, x: Tensor) -> Tensor:
    return linear(head[5], linear(head[3], torch.relu(linear(head[0], x)))).squeeze(-1)


def forward(model: Msbt, streams: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Logits [n] and the rows of every ordered pair, of one video's streams [n, .]."""
    rows = [linear(narrow, x) for narrow, x in zip(model.inputs, streams)]
    rows = [transform(model.within, x, x) for x in rows]
    order = [(i, j) for a in range(len(rows)) for b in range(a + 1, len(rows)) for i, j in ((a, b), (b, a))]
    found = [fuse(model, rows[i], rows[j]) for i, j in order]
    tokens = torch.cat([token for _, token in found])
    weights = torch.sigmoid(scored(model.weigh, transform(model.among, tokens, tokens)))
    x = torch.cat([weight * fused for weight, (fused, _) in zip(weights, found)], dim=-1)
    for layer in model.joined:
        x = transform(layer, x, x)
    return scored(model.score, x), [fused for fused, _ in found]


def contrast(fused: Sequence[Tensor]) -> Tensor:
    """Mean over pairs of one video's pairs: of its segments, both ways."""
    total, count = torch.zeros(()), 0
    for a in range(len(fused)):
        for b in range(a + 1, len(fused)):
            cosine = torch.exp(unit(fused[a]) @ unit(fused[b]).T / 0.5)
            own = [cosine[t, t] for t in range(len(cosine))]
            both = [torch.log(cosine[t].sum()) + torch.log(cosine[:, t].sum()) for t in range(len(cosine))]
            total = total + sum(x - 2 * torch.log(p) for x, p in zip(both, own)) / len(own)
            count += 1
    return total / count
