"""The layout of fixed shape, for graphs and compilers: every segment a row, padding among them."""

from __future__ import annotations

from collections.abc import Sequence

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

    def of_positions(self, table: Tensor) -> Tensor:
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
