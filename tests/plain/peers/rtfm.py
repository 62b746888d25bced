"""RTFM in its plainest form: lists of rows without padding, segment by segment; its losses pair by pair.

Weights are taken from the modules under test; how they are put to use is written out here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmvad.models.peers.magnitude import MultiScaleTemporal, NonLocal, NormedConv
from tests.plain.network import linear

Rows = list[Tensor]
"""[n, d] each."""


def relu(rows: Rows) -> Rows:
    return [row * (row > 0) for row in rows]


def convolution(conv: nn.Conv1d, rows: Rows) -> Rows:
    """Odd kernels, dilated, zeros outside of the row."""
    half, dilation, out = conv.kernel_size[0] // 2, conv.dilation[0], []
    for row in rows:
        found = []
        for t in range(len(row)):
            y = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.clone()
            for tap in range(-half, half + 1):
                if 0 <= t + tap * dilation < len(row):
                    y = y + conv.weight[:, :, tap + half] @ row[t + tap * dilation]
            found.append(y)
        out.append(torch.stack(found))
    return out


def batch_norm(norm: nn.BatchNorm1d, rows: Rows) -> Rows:
    """Over all segments of all rows in training, else by the running statistics."""
    mean, variance = norm.running_mean, norm.running_var
    if norm.training:
        together = torch.cat(rows)
        mean = together.mean(dim=0)
        variance = ((together - mean) ** 2).mean(dim=0)
    return [(row - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias for row in rows]


def group_norm(norm: nn.GroupNorm, rows: Rows) -> Rows:
    out = []
    for row in rows:
        size, parts = row.shape[1] // norm.num_groups, []
        for g in range(norm.num_groups):
            part = row[:, g * size : (g + 1) * size]
            centred = part - part.mean()
            parts.append(centred / torch.sqrt((centred**2).mean() + norm.eps))
        out.append(torch.cat(parts, dim=1) * norm.weight + norm.bias)
    return out


def normed_conv(layer: NormedConv, rows: Rows) -> Rows:
    rows = convolution(layer.conv, rows)
    if layer.groups:
        return relu(group_norm(layer.norm.norm, rows))
    return batch_norm(layer.norm.norm, relu(rows))


def non_local(block: NonLocal, rows: Rows) -> Rows:
    found = []
    for row in rows:
        theta, phi, g = linear(block.theta, row), linear(block.phi, row), linear(block.g, row)
        out = []
        for t in range(len(row)):
            out.append(sum(((theta[t] @ phi[u]) / len(row) * g[u] for u in range(len(row))), torch.zeros(g.shape[1])))
        found.append(linear(block.output, torch.stack(out)))
    return [row + y for row, y in zip(rows, batch_norm(block.norm.norm, found))]


def temporal(network: MultiScaleTemporal, rows: Rows) -> Rows:
    parts = [normed_conv(scale, rows) for scale in network.scales]
    parts.append(non_local(network.non_local, relu([linear(network.narrow, row) for row in rows])))
    joined = normed_conv(network.join, [torch.cat(side, dim=1) for side in zip(*parts)])
    return [row + y for row, y in zip(rows, joined)]


def head(network: nn.Sequential, row: Tensor) -> Tensor:
    """Logits [n]; no dropout."""
    first, second, last = (layer for layer in network if isinstance(layer, nn.Linear))
    (hidden,) = relu([linear(first, row)])
    (hidden,) = relu([linear(second, hidden)])
    return linear(last, hidden)[:, 0]


def crop_means(rows: Rows, crops: int) -> Rows:
    return [sum(rows[i : i + crops][1:], rows[i]) / crops for i in range(0, len(rows), crops)]


def selection(features: Rows, crops: int) -> list[list[int]]:
    """Of every video the n / 10 segments (at least one) whose norm, averaged over crops, is largest."""
    norms = crop_means([torch.sqrt((f**2).sum(dim=1)) for f in features], crops)
    return [sorted(range(len(m)), key=lambda t: -m[t].item())[: max(len(m) // 10, 1)] for m in norms]


def losses(
    scores: Rows, features: Rows, crops: int, kinds: Sequence[bool], margin: float = 100, hinge: bool = False
) -> dict[str, float]:
    """The four terms: scores [n] a video, features [n, d] a crop row, kinds True for an abnormal video."""
    chosen = selection(features, crops)
    bag = 0.0
    for s, places, kind in zip(scores, chosen, kinds):
        p = sum(s[t].item() for t in places) / len(places)
        bag -= math.log(p if kind else 1 - p) / len(kinds)
    sides: dict[bool, list[float]] = {True: [], False: []}
    for row, f in enumerate(features):
        places = chosen[row // crops]
        mean = sum((f[t] for t in places), torch.zeros(f.shape[1])) / len(places)
        norm = sum(f[t].norm().item() for t in places) / len(places) if hinge else mean.norm().item()
        sides[bool(kinds[row // crops])].append(norm)
    each = [
        max(0.0, margin - a + b) if hinge else (abs(margin - a) + b) ** 2 for a, b in zip(sides[True], sides[False])
    ]
    smooth = sparse = 0.0
    for s, kind in zip(scores, kinds):
        if kind:
            smooth += sum((s[t + 1] - s[t]).item() ** 2 for t in range(len(s) - 1))
            sparse += sum(v.item() ** 2 for v in s)
    return {"bag": bag, "margin": sum(each) / len(each), "smooth": smooth, "sparse": math.sqrt(sparse)}
