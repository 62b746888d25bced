"""The ranking model in its plainest form: one segment at a time, one pair of bags at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tests.plain.network import linear, unit


def scores(layers: nn.Sequential, row: Tensor) -> Tensor:
    """[n, d] -> [n]; no dropout."""
    first, second, last = (layer for layer in layers if isinstance(layer, nn.Linear))
    found = []
    for x in row:
        hidden = linear(first, unit(x))
        found.append(torch.sigmoid(linear(last, linear(second, hidden * (hidden > 0)))))
    return torch.cat(found)


def losses(rows: Sequence[Tensor], kinds: Sequence[bool]) -> dict[str, float]:
    """The three terms of bags of scores [n]."""
    abnormal = [s.tolist() for s, kind in zip(rows, kinds) if kind]
    normal = [s.tolist() for s, kind in zip(rows, kinds) if not kind]
    rank = sum(max(0.0, 1 - max(a) + max(b)) for a in abnormal for b in normal) / len(normal)
    smooth = sum((a[t] - a[t + 1]) ** 2 for a in abnormal for t in range(len(a) - 1))
    return {"rank": rank, "smooth": smooth, "sparse": sum(map(sum, abnormal))}
