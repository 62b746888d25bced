"""GODS in its plainest form: one unit vector after another, hyperplane by hyperplane."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tests.plain.objectives import number


def sides(x: Tensor, frame: Tensor, biases: Tensor) -> list[float]:
    return [number(frame[:, k] @ x + biases[k]) for k in range(len(biases))]


def inside(x: Tensor, frames: Tensor, biases: Tensor) -> float:
    first, second = (sides(x, frame, b) for frame, b in zip(frames, biases))
    return min(min(first), -max(second))


def objective(rows: Sequence[Tensor], frames: Tensor, biases: Tensor, eta: float, weight: float) -> float:
    total = 0.0
    for x in rows:
        u, v = (sides(x, frame, b) for frame, b in zip(frames, biases))
        total += max(0.0, eta - min(u)) ** 2 + max(0.0, eta + max(v)) ** 2
        total += weight * (sum(a * a for a in u) + sum(a * a for a in v))
    return total / len(rows)
