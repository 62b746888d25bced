"""Convolutions along time over each video's own segments, on the rows of a layout: centred or causal, dilated too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.layout import Layout, Packed, mix, packs
from mmvad.models.winograd import three_taps


def rows_along_time(
    rows: Tensor, kernel: Tensor, bias: Tensor | None, layout: Layout, *, dilation: int = 1, causal: bool = False
) -> Tensor:
    """A convolution over each video's own segments: rows [R, d], kernel [d_out, d, taps] -> [R, d_out].

    Taps lie `dilation` segments apart, around the segment itself (an odd number of them), or `causal` up to it.
    Of packed rows in single precision as products along one line of all videos: many short convolutions are slower.
    Those of three taps go by minimal filtering, for which videos of about one length stand beside each other.
    """
    if not isinstance(layout, Packed) or torch.is_autocast_enabled("cpu"):
        grids = layout.windows(0)
        return mix(lambda x, mask: along_time(x, kernel, bias, dilation=dilation, causal=causal), rows, grids)
    offsets = _offsets(kernel.shape[-1], dilation, causal)
    if len(offsets) == 3:
        videos = layout.windows(0)
        grid = videos[0] if len(videos) == 1 else layout.line(-offsets[0])
        return grid.collect(three_taps(grid.spread(rows), kernel, bias, dilation, -offsets[0]))
    line = layout.line(-offsets[0])
    return line.collect(_AlongLine.apply(line.spread(rows)[0], kernel, bias, offsets).unsqueeze(0))


def along_time(x: Tensor, kernel: Tensor, bias: Tensor | None, *, dilation: int = 1, causal: bool = False) -> Tensor:
    """A convolution over segments that keeps their number: [N, n, d], kernel [d_out, d, taps] -> [N, n, d_out].

    Off the CPU as one over pictures of one line, whose layout with the channels last is what x lies in.
    """
    before = -_offsets(kernel.shape[-1], dilation, causal)[0]
    if causal:
        x, before = F.pad(x, (0, 0, before, 0)), 0
    if packs(x):
        return F.conv1d(x.transpose(1, 2), kernel, bias, padding=before, dilation=dilation).transpose(1, 2)
    lines = x.transpose(1, 2).unsqueeze(2)
    found = F.conv2d(lines, kernel.unsqueeze(2), bias, padding=(0, before), dilation=(1, dilation))
    return found.squeeze(2).transpose(1, 2)


def _offsets(taps: int, dilation: int, causal: bool) -> list[int]:
    """Where each tap reads, counted from the segment itself."""
    first = taps - 1 if causal else taps // 2
    return [dilation * (tap - first) for tap in range(taps)]


class _AlongLine(torch.autograd.Function):
    """A convolution along one line [n, d], as one product a tap, added up in place where the tap reads."""

    @staticmethod
    def forward(context: Any, line: Tensor, kernel: Tensor, bias: Tensor | None, offsets: Sequence[int]) -> Tensor:
        taps = kernel.permute(2, 0, 1).contiguous()
        context.save_for_backward(line, taps)
        context.offsets = offsets
        out = line.new_zeros(len(line), taps.shape[1]) if bias is None else bias.repeat(len(line), 1)
        for tap, read, written in _shifts(taps, offsets, len(line)):
            _add_product(out[written], line[read], tap.T)
        return out

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None]:
        line, taps = context.saved_tensors
        of_line = torch.zeros_like(line) if context.needs_input_grad[0] else None
        of_taps = torch.empty_like(taps)
        for nth, (tap, read, written) in enumerate(_shifts(taps, context.offsets, len(line))):
            if of_line is not None:
                _add_product(of_line[read], gradient[written], tap)
            torch.mm(gradient[written].T, line[read], out=of_taps[nth])
        of_bias = gradient.sum(0) if context.needs_input_grad[2] else None
        return of_line, of_taps.permute(1, 2, 0), of_bias, None


def _add_product(to: Tensor, x: Tensor, y: Tensor) -> None:
    """to += x y; not by `addmm_`, which counters of operations overlook."""
    torch.addmm(to, x, y, out=to)


def _shifts(taps: Tensor, offsets: Sequence[int], length: int) -> Iterator[tuple[Tensor, slice, slice]]:
    """Of every tap: its weights, the places that it reads, and those that it adds to."""
    for tap, ahead in zip(taps, offsets, strict=True):
        count, read, written = max(0, length - abs(ahead)), max(0, ahead), max(0, -ahead)
        yield tap, slice(read, read + count), slice(written, written + count)
