"""MGFN in its plainest form: rows without padding, one head at a time; its losses pair by pair."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmvad.models.peers.mgfn.network import ChannelNorm, Focus, Glance, Layer, Mgfn
from tests.plain.network import layer_norm, linear
from tests.plain.peers.rtfm import Rows, batch_norm, convolution, selection


def channel_norm(norm: ChannelNorm, row: Tensor) -> Tensor:
    out = []
    for x in row:
        spread = torch.sqrt(((x - x.mean()) ** 2).mean())
        out.append((x - x.mean()) / (spread + 1e-5) * norm.gain + norm.bias)
    return torch.stack(out)


def glance(attention: Glance, rows: Rows) -> Rows:
    out = []
    for row in rows:
        width, found = row.shape[1], []
        size = width // attention.heads
        q, k, v = linear(attention.inputs, channel_norm(attention.norm, row)).split(width, dim=1)
        for h in range(attention.heads):
            part = slice(h * size, (h + 1) * size)
            weights = torch.softmax(q[:, part] @ k[:, part].T / math.sqrt(size), dim=1)
            found.append(weights @ v[:, part])
        out.append(linear(attention.output, torch.cat(found, dim=1)))
    return out


def focus(attention: Focus, rows: Rows) -> Rows:
    out = []
    for row in batch_norm(attention.norm.norm, rows):
        values = linear(attention.input, row)
        n, width = values.shape
        found = torch.zeros(n, width)
        for c in range(width):
            kernel = attention.kernel.weight[c % attention.heads, 0]
            for t in range(n):
                taps = [kernel[i] * values[t + i - 2, c] for i in range(5) if 0 <= t + i - 2 < n]
                found[t, c] = sum(taps, attention.kernel.bias[c % attention.heads])
        out.append(linear(attention.output, found))
    return out


def layer(block: Layer, rows: Rows) -> Rows:
    rows = [row + y for row, y in zip(rows, convolution(block.near, rows))]
    attend = glance if isinstance(block.attention, Glance) else focus
    rows = [row + y for row, y in zip(rows, attend(block.attention, rows))]  # type: ignore[arg-type]
    norm, wide, _, back = block.ffn
    out = []
    for row in rows:
        hidden = linear(wide, channel_norm(norm, row))
        out.append(row + linear(back, hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))))
    return out


def features(model: Mgfn, rows: Rows) -> Rows:
    """f [n, d] of every row."""
    norms = [torch.stack([torch.sqrt((x**2).sum()) for x in row])[:, None] for row in rows]
    both = zip(convolution(model.feature, rows), convolution(model.norm, norms))
    rows = [x + 0.1 * y for x, y in both]
    for i, stage in enumerate(model.levels):
        if i:
            norm, wide = model.widen[i - 1]
            rows = [linear(wide, channel_norm(norm, row)) for row in rows]
        for block in stage:
            rows = layer(block, rows)
    return [layer_norm(model.last, row) for row in rows]


def losses(scores: Rows, rows: Rows, crops: int, kinds: Sequence[bool]) -> dict[str, float]:
    """The five terms: scores [n] a video, features a crop row, kinds True for an abnormal video."""
    chosen = selection(rows, crops)
    longest = max(map(len, chosen))
    bag = smooth = sparse = 0.0
    for s, places, kind in zip(scores, chosen, kinds):
        p = sum(s[t].item() for t in places) / len(places)
        bag -= math.log(p if kind else 1 - p) / len(kinds)
        smooth += sum((s[t + 1] - s[t]).item() ** 2 for t in range(len(s) - 1))
        sparse += sum(v.item() ** 2 for v in s) if kind else 0.0
    g = [[f[t].abs().sum().item() for t in chosen[i // crops]] for i, f in enumerate(rows)]
    g = [row + [0.0] * (longest - len(row)) for row in g]
    sides = {kind: [row for i, row in enumerate(g) if kinds[i // crops] is kind] for kind in (False, True)}
    far = [max(0.0, 200 - math.dist(a, b)) ** 2 for a, b in zip(sides[True], sides[False])]
    near = 0.0
    for side in sides.values():
        half = len(side) // crops // 2
        each = [math.dist(side[i], side[i + half * crops]) ** 2 for i in range(half * crops)]
        near += sum(each) / len(each)
    return {"bag": bag, "far": sum(far) / len(far), "near": near, "smooth": smooth, "sparse": math.sqrt(sparse)}
