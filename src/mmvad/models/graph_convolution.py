"""Graph convolutions with a residual, and convolutions along time, on the rows of a layout."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.layout import Grid, join, mix, packs, spread


class GraphConvolution(nn.Module):
    """A (x W) + R(x): R is the identity, or a convolution of 5 where the width changes. [B, L, d] -> [B, L, d_out]."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.weight = nn.Linear(width, width_out, bias=False)
        nn.init.xavier_uniform_(self.weight.weight)
        self.residual = nn.Identity() if width == width_out else nn.Conv1d(width, width_out, 5, padding=2)

    def forward(self, x: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
        """adjacency [B or 1, L, L]; padding columns are already zero in it."""
        x = x * mask.unsqueeze(-1)
        return adjacency @ self.weight(x) + self.skip(x, mask)

    def skip(self, x: Tensor, mask: Tensor) -> Tensor:
        """R(x), x zero on padding."""
        del mask
        residual = self.residual
        return along_time(x, residual.weight, residual.bias) if isinstance(residual, nn.Conv1d) else x

    def skip_rows(self, x: Tensor, grids: Sequence[Grid]) -> Tensor:
        """R(x) on rows [R, d]."""
        return mix(self.skip, x, grids) if isinstance(self.residual, nn.Conv1d) else x


def supports_and_skips(
    layers: Sequence[GraphConvolution], x: Tensor, grids: Sequence[Grid]
) -> list[tuple[Tensor, Tensor]]:
    """x W and R(x) of each of some layers that read the same rows [R, d]: [R, d_out] both.

    Off the CPU one product and one convolution make those of all layers.
    """
    if packs(x) or not isinstance(layers[0].residual, nn.Conv1d):
        return [(layer.weight(x), layer.skip_rows(x, grids)) for layer in layers]
    weight = torch.cat([layer.weight.weight for layer in layers])
    kernel, bias = (torch.cat([getattr(layer.residual, name) for layer in layers]) for name in ("weight", "bias"))
    skips = mix(lambda part, mask: along_time(part, kernel, bias), x, grids)
    return list(zip(F.linear(x, weight).chunk(len(layers), dim=-1), skips.chunk(len(layers), dim=-1), strict=True))


def convolved(support: Tensor, skip: Tensor, adjacencies: Sequence[Tensor], grids: Sequence[Grid]) -> Tensor:
    """A (x W) + R(x) of `supports_and_skips`, with one adjacency a grid, grids of whole videos: [R, d_out]."""
    parts = zip(spread(support, grids), adjacencies, strict=True)
    return join([grid.collect(adjacency.to(each.dtype) @ each) for (grid, each), adjacency in parts]) + skip


def along_time(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution over segments that keeps their number: [N, n, d], kernel [d_out, d, odd] -> [N, n, d_out].

    Off the CPU as one over pictures of one line, whose layout with the channels last is what x lies in.
    """
    margin = kernel.shape[-1] // 2
    if packs(x):
        return F.conv1d(x.transpose(1, 2), kernel, bias, padding=margin).transpose(1, 2)
    lines = x.transpose(1, 2).unsqueeze(2)
    return F.conv2d(lines, kernel.unsqueeze(2), bias, padding=(0, margin)).squeeze(2).transpose(1, 2)
