"""GCL in its plainest form: the batch's valid segments in a list, both networks' labels one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmvad.models.peers.gcl.network import Gcl
from tests.plain.network import linear
from tests.plain.objectives import number


def chain(layers: nn.Sequential, x: Tensor) -> Tensor:
    for i in range(0, len(layers), 2):
        x = linear(layers[i], torch.relu(x) if i else x)
    return x


def threshold(values: Sequence[float], deviations: float) -> float:
    mean = sum(values) / len(values)
    return mean + deviations * math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))


def losses(model: Gcl, rows: Sequence[Tensor]) -> dict[str, Tensor]:
    """Of training together, of all segments of a batch."""
    rebuilt = [chain(model.generator, x) for x in rows]
    scores = [1 / (1 + torch.exp(-chain(model.discriminator, x)[0])) for x in rows]
    errors = [((x - r) ** 2).sum() for x, r in zip(rows, rebuilt)]
    worst, loudest = (threshold([number(v) for v in values], k) for values, k in ((errors, 1.0), (scores, 0.1)))
    generator, discriminator = torch.zeros(()), torch.zeros(())
    for r, score, error in zip(rebuilt, scores, errors):
        generator = generator + (((1 - r) ** 2).sum() if number(score) >= loudest else error)
        discriminator = discriminator - torch.log(score if number(error) >= worst else 1 - score)
    found = {"generator": generator / len(rows), "discriminator": discriminator / len(rows)}
    return found | {"total": found["generator"] + found["discriminator"]}
