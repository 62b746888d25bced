"""Layouts of fixed shape, for graphs and compilers: every segment a row, with padding, or with less of it in groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Fixed:
    """Every segment a row, padding among them."""

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def rows(self, x: Tensor) -> Tensor:
        return x.flatten(0, 1)

    def padded(self, rows: Tensor) -> Tensor:
        return rows.unflatten(0, self.mask.shape)

    def of_videos(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(self.mask.shape[1], dim=0)

    def of_places(self, table: Tensor) -> Tensor:
        batch, length = self.mask.shape
        return table[:length].expand(batch, *table[:length].shape).flatten(0, 1)

    def windows(self, size: int) -> Sequence[FixedGrid]:
        return [FixedGrid(self.mask, min(size, self.mask.shape[1]) or self.mask.shape[1])]

    def dropout(self, rows: Tensor, layer: nn.Dropout) -> Tensor:
        return layer(rows)


class FixedGrid:
    """[B, L] cut into stretches of `size`, the last of each video filled up."""

    def __init__(self, mask: Tensor, size: int) -> None:
        self.rows, self.size, self.shape = mask.numel(), size, mask.shape
        self.more = -mask.shape[1] % size
        self.mask = F.pad(mask, (0, self.more)).reshape(-1, size)

    def spread(self, rows: Tensor) -> Tensor:
        rows = rows.unflatten(0, self.shape)
        if self.more:
            rows = F.pad(rows, (0, 0) * (rows.dim() - 2) + (0, self.more))
        rows = rows.reshape(-1, self.size, *rows.shape[2:])
        return rows * self.mask.reshape(self.mask.shape + (1,) * (rows.dim() - 2))

    def collect(self, x: Tensor) -> Tensor:
        batch, length = self.shape
        return x.reshape(batch, length + self.more, *x.shape[2:])[:, :length].flatten(0, 1)


class Stairs:
    """As `Fixed`, but videos stand by length, in groups of one size each of which is padded to its own step.

    Args:
        mask: bool [B, L], the shortest video first.
        steps: the groups' lengths, rising, as many as divide B. Every video fits in its group's.
    """

    def __init__(self, mask: Tensor, steps: Sequence[int]) -> None:
        self.mask, self.steps, self.size = mask, steps, len(mask) // len(steps)

    def rows(self, x: Tensor) -> Tensor:
        return torch.cat([part[:, :step].flatten(0, 1) for part, step in self._groups(x)])

    def padded(self, rows: Tensor) -> Tensor:
        length = self.mask.shape[1]
        parts = rows.split([self.size * step for step in self.steps])
        blocks = [part.unflatten(0, (self.size, -1)) for part in parts]
        return torch.cat([F.pad(block, (0, 0) * (block.dim() - 2) + (0, length - block.shape[1])) for block in blocks])

    def of_videos(self, x: Tensor) -> Tensor:
        return torch.cat([part.repeat_interleave(step, dim=0) for part, step in self._groups(x)])

    def of_places(self, table: Tensor) -> Tensor:
        return torch.cat([table[:step].repeat(self.size, *(1,) * (table.dim() - 1)) for step in self.steps])

    def windows(self, size: int) -> Sequence[FixedGrid]:
        """One grid where windows end with the groups' steps, else one a group."""
        if size and not any(step % size for step in self.steps):
            return [FixedGrid(self.rows(self.mask).unflatten(0, (-1, size)), size)]
        parts = [part[:, :step] for part, step in self._groups(self.mask)]
        return [FixedGrid(part, min(size, part.shape[1]) or part.shape[1]) for part in parts]

    def dropout(self, rows: Tensor, layer: nn.Dropout) -> Tensor:
        return layer(rows)

    def _groups(self, x: Tensor) -> Iterator[tuple[Tensor, int]]:
        return zip(x.split(self.size), self.steps, strict=True)
