"""The decision of a one-class SVM, one support vector at a time."""

from __future__ import annotations

import math

from torch import Tensor


def decision(x: Tensor, support: Tensor, weights: Tensor, gamma: float, rho: float) -> float:
    total = -rho
    for v, a in zip(support, weights):
        total += a.item() * math.exp(-gamma * sum((p - q) ** 2 for p, q in zip(x.tolist(), v.tolist())))
    return total
