"""Means of an epoch's losses, added up on the device so that no step waits for a value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor


class EpochLosses:
    """Adds up losses by name: mean = sum_i(B_i loss_i) / sum_i(B_i) over an epoch's batches i of B_i samples.

    In float32 and in the batches' order, which is what Lightning's `log` does for each loss of each step; that took the
    host more than half of a small model's step. A name counts in the batches that have it.
    """

    def __init__(self) -> None:
        self.sums: dict[tuple[str, ...], tuple[Tensor | float, int]] = {}

    @torch.no_grad()
    def add(self, losses: Mapping[str, Tensor], size: int) -> None:
        """Takes a batch's losses [] by name, and its size. Keeps no memory of theirs: a CUDA graph writes it anew."""
        names = tuple(losses)
        before, count = self.sums.get(names, (0.0, 0))
        values = torch.stack(tuple(losses.values())).float()
        self.sums[names] = (before + values * size, count + size)

    def means(self) -> dict[str, Tensor]:
        """The means [] so far, on the losses' device."""
        sums: dict[str, Tensor | float] = defaultdict(float)
        counts: dict[str, int] = defaultdict(int)
        for names, (values, count) in self.sums.items():
            for name, value in zip(names, torch.as_tensor(values), strict=True):
                sums[name] = sums[name] + value
                counts[name] += count
        return {name: value / torch.full_like(torch.as_tensor(value), counts[name]) for name, value in sums.items()}
