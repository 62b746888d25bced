"""Graph convolutions with a residual, and convolutions along time, on the rows of a layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.layout import Grid, Layout, Packed, join, mix, packs, spread


class GraphConvolution(nn.Module):
    """A (x W) + R(x): R is the identity, or a convolution of 5 where the width changes. [B, L, d] -> [B, L, d_out]."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.weight = nn.Linear(width, width_out, bias=False)
        nn.init.xavier_uniform_(self.weight.weight)
        self.residual = nn.Identity() if width == width_out else nn.Conv1d(width, width_out, 5, padding=2)

    def forward(self, x: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
        """adjacency [B or 1, L, L]; padding columns are already zero in it."""
        x, residual = x * mask.unsqueeze(-1), self.residual
        skip = along_time(x, residual.weight, residual.bias) if isinstance(residual, nn.Conv1d) else x
        return adjacency @ self.weight(x) + skip


def supports_and_skips(layers: Sequence[GraphConvolution], x: Tensor, layout: Layout) -> list[tuple[Tensor, Tensor]]:
    """x W and R(x) of each of some layers that read the same rows [R, d]: [R, d_out] both.

    One product and one convolution make those of all layers.
    """
    if not isinstance(layers[0].residual, nn.Conv1d):
        return [(layer.weight(x), x) for layer in layers]
    weight = torch.cat([layer.weight.weight for layer in layers])
    kernel, bias = (torch.cat([getattr(layer.residual, name) for layer in layers]) for name in ("weight", "bias"))
    skips = rows_along_time(x, kernel, bias, layout)
    return list(zip(F.linear(x, weight).chunk(len(layers), dim=-1), skips.chunk(len(layers), dim=-1), strict=True))


def convolved(support: Tensor, skip: Tensor, adjacencies: Sequence[Tensor], grids: Sequence[Grid]) -> Tensor:
    """A (x W) + R(x) of `supports_and_skips`, with one adjacency a grid, grids of whole videos: [R, d_out]."""
    parts = zip(spread(support, grids), adjacencies, strict=True)
    return join([grid.collect(adjacency.to(each.dtype) @ each) for (grid, each), adjacency in parts]) + skip


def rows_along_time(rows: Tensor, kernel: Tensor, bias: Tensor, layout: Layout) -> Tensor:
    """A convolution over each video's own segments: rows [R, d], kernel [d_out, d, odd] -> [R, d_out].

    Of packed rows in single precision as products along one line of all videos: many short convolutions are slower.
    """
    if not isinstance(layout, Packed) or torch.is_autocast_enabled("cpu"):
        return mix(lambda part, mask: along_time(part, kernel, bias), rows, layout.windows(0))
    line = layout.line(kernel.shape[-1] // 2)
    return line.collect(_AlongLine.apply(line.spread(rows)[0], kernel, bias).unsqueeze(0))


class _AlongLine(torch.autograd.Function):
    """A convolution along one line [n, d], as one product a tap, added up in place where the tap reads."""

    @staticmethod
    def forward(context: Any, line: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        taps = kernel.permute(2, 1, 0).contiguous()
        context.save_for_backward(line, taps)
        out = bias.repeat(len(line), 1)
        for tap, read, written in _shifts(taps, len(line)):
            _add_product(out[written], line[read], tap)
        return out

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        line, taps = context.saved_tensors
        of_line, of_taps = torch.zeros_like(line), torch.empty_like(taps)
        for nth, (tap, read, written) in enumerate(_shifts(taps, len(line))):
            _add_product(of_line[read], gradient[written], tap.T)
            torch.mm(line[read].T, gradient[written], out=of_taps[nth])
        return of_line, of_taps.permute(2, 1, 0), gradient.sum(0)


def _add_product(to: Tensor, x: Tensor, y: Tensor) -> None:
    """to += x y; not by `addmm_`, which counters of operations overlook."""
    torch.addmm(to, x, y, out=to)


def _shifts(taps: Tensor, length: int) -> Iterator[tuple[Tensor, slice, slice]]:
    """Of every tap [odd, ...]: its weights, the places that it reads, and those that it adds to."""
    for ahead, tap in enumerate(taps, start=-(len(taps) // 2)):
        count, read, written = max(0, length - abs(ahead)), max(0, ahead), max(0, -ahead)
        yield tap, slice(read, read + count), slice(written, written + count)


def along_time(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution over segments that keeps their number: [N, n, d], kernel [d_out, d, odd] -> [N, n, d_out].

    Off the CPU as one over pictures of one line, whose layout with the channels last is what x lies in.
    """
    margin = kernel.shape[-1] // 2
    if packs(x):
        return F.conv1d(x.transpose(1, 2), kernel, bias, padding=margin).transpose(1, 2)
    lines = x.transpose(1, 2).unsqueeze(2)
    return F.conv2d(lines, kernel.unsqueeze(2), bias, padding=(0, margin)).squeeze(2).transpose(1, 2)
