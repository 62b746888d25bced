"""Convolutions of three taps by minimal filtering, F(2, 3): two outputs of four products, where each tap's takes six.

Winograd 1980; Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016. Of segments d_0 to d_3, r apart,
and taps g_0 to g_2:

    m_0 = (d_0 - d_2) g_0                    m_1 = (d_1 + d_2) (g_0 + g_1 + g_2) / 2
    m_2 = (d_2 - d_1) (g_0 - g_1 + g_2) / 2  m_3 = (d_1 - d_3) g_2
    y_0 = m_0 + m_1 + m_2                    y_1 = m_1 - m_2 - m_3

Both gradients take four products too. An output reads its own three segments alone, so a causal one stays causal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SEGMENTS_AT_ONCE = 1280
"""What one piece works on: few enough for a CPU's cache, many enough for products at full rate."""


def three_taps(x: Tensor, kernel: Tensor, bias: Tensor | None, dilation: int, before: int) -> Tensor:
    """A convolution whose first tap reads `before` segments back: [N, n, d], kernel [d_out, d, 3] -> [N, n, d_out]."""
    return _ThreeTaps.apply(x, kernel, bias, dilation, before)


class _Piece(NamedTuple):
    """A stretch of outputs [N', n']: `outputs` cuts them out, `inputs` what they read, `zeros` stand around that."""

    outputs: tuple[slice, slice]
    inputs: tuple[slice, slice]
    zeros: tuple[int, int]

    def read(self, x: Tensor) -> Tensor:
        """[N, n, d] -> [N', n' + 2 r, d]."""
        return F.pad(x[self.inputs], (0, 0, *self.zeros))

    def add(self, to: Tensor, x: Tensor) -> None:
        """Adds to [N, n, d] where `read` reads."""
        to[self.inputs] += x[:, self.zeros[0] : x.shape[1] - self.zeros[1]]


def _pieces(count: int, length: int, dilation: int, before: int) -> Iterator[_Piece]:
    """All outputs [N, n], n a multiple of 2 r or rounded up to one."""
    unit = 2 * dilation
    span = min(-(-length // unit), max(SEGMENTS_AT_ONCE // unit, 1)) * unit
    rows = max(SEGMENTS_AT_ONCE // span, 1)
    for start in range(0, length, span):
        end = min(start + span, -(-length // unit) * unit)
        first, last = start - before, end - before + unit
        seen = slice(max(first, 0), min(last, length))
        for row in range(0, count, rows):
            some = slice(row, row + rows)
            yield _Piece((some, slice(start, end)), (some, seen), (seen.start - first, last - seen.stop))


class _ThreeTaps(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, kernel: Tensor, bias: Tensor | None, dilation: int, before: int) -> Tensor:
        taps = _of_taps(kernel)
        context.save_for_backward(x, taps)
        context.pieces = list(_pieces(len(x), x.shape[1], dilation, before))
        context.dilation = dilation
        out = x.new_empty(len(x), context.pieces[-1].outputs[1].stop, taps.shape[-1])
        for piece in context.pieces:
            products = torch.bmm(_of_segments(piece.read(x), dilation), taps)
            if bias is not None:
                products[1] += bias
            _outputs(products, _pairs(out[piece.outputs], dilation))
        return out[:, : x.shape[1]]

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None, None]:
        x, taps = context.saved_tensors
        of_x = torch.zeros_like(x) if context.needs_input_grad[0] else None
        of_taps, dilation = torch.zeros_like(taps), context.dilation
        for piece in context.pieces:
            own = gradient[piece.outputs]
            missing = piece.outputs[1].stop - piece.outputs[1].start - own.shape[1]
            products = _to_products(_pairs(F.pad(own, (0, 0, 0, missing)), dilation))
            segments = _of_segments(piece.read(x), dilation)
            torch.baddbmm(of_taps, segments.transpose(1, 2), products, out=of_taps)
            if of_x is not None:
                of_segments = torch.bmm(products, taps.transpose(1, 2)).unflatten(1, (len(own), -1, dilation))
                piece.add(of_x, _to_segments(of_segments))
        of_bias = gradient.sum((0, 1)) if context.needs_input_grad[2] else None
        return of_x, _to_kernel(of_taps), of_bias, None, None


def _of_taps(kernel: Tensor) -> Tensor:
    """What the taps are in the four products: [d_out, d, 3] -> [4, d, d_out]."""
    first, middle, last = kernel.permute(2, 1, 0)
    return torch.stack([first, (first + middle + last) / 2, (first - middle + last) / 2, last])


def _to_kernel(of_taps: Tensor) -> Tensor:
    """The gradient of `_of_taps`: [4, d, d_out] -> [d_out, d, 3]."""
    first, plus, minus, last = of_taps
    both = (plus + minus) / 2
    return torch.stack([first + both, (plus - minus) / 2, both + last]).permute(2, 1, 0)


def _pairs(x: Tensor, dilation: int) -> Tensor:
    """Outputs [N, n, d] as pairs r apart: [N, n / 2 r, 2, r, d]."""
    return x.unflatten(1, (-1, 2, dilation))


def _of_segments(x: Tensor, dilation: int) -> Tensor:
    """What the segments are in the four products: [N, n + 2 r, d] -> [4, N n / 2, d]."""
    halves = x.unflatten(1, (-1, dilation))
    d = halves[:, :-2:2], halves[:, 1:-1:2], halves[:, 2::2], halves[:, 3::2]
    found = x.new_empty(4, *d[0].shape)
    torch.sub(d[0], d[2], out=found[0])
    torch.add(d[1], d[2], out=found[1])
    torch.sub(d[2], d[1], out=found[2])
    torch.sub(d[1], d[3], out=found[3])
    return found.flatten(1, 3)


def _to_segments(m: Tensor) -> Tensor:
    """The gradient of `_of_segments`: [4, N, n / 2 r, r, d] -> [N, n + 2 r, d]."""
    _, count, pairs, dilation, width = m.shape
    found = m.new_zeros(count, 2 * pairs + 2, dilation, width)
    found[:, :-2:2] += m[0]
    found[:, 2::2] += m[1] + m[2] - m[0]
    found[:, 1:-1:2] += m[1] - m[2] + m[3]
    found[:, 3::2] -= m[3]
    return found.flatten(1, 2)


def _outputs(products: Tensor, out: Tensor) -> None:
    """The pairs of outputs [N, n / 2 r, 2, r, d_out] of the products m [4, N n / 2, d_out]."""
    m = products.unflatten(1, (out.shape[0], out.shape[1], out.shape[3]))
    torch.add(m[0] + m[1], m[2], out=out[:, :, 0])
    torch.sub(m[1] - m[2], m[3], out=out[:, :, 1])


def _to_products(pairs: Tensor) -> Tensor:
    """The gradient of `_outputs`: [N, n / 2 r, 2, r, d_out] -> [4, N n / 2, d_out]."""
    first, second = pairs.unbind(2)
    found = pairs.new_empty(4, *first.shape)
    found[0] = first
    torch.add(first, second, out=found[1])
    torch.sub(first, second, out=found[2])
    torch.neg(second, out=found[3])
    return found.flatten(1, 3)
