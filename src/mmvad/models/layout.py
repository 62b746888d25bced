"""How the layers see a batch: on the CPU valid segments alone, elsewhere fixed shapes with padding.

Layers that treat every segment alike work on rows, [R, d]; what looks along time works on grids, [N, n, d], rectangles
that rows are spread over and collected from. A network asks `choose_layout` once a batch and hands the layout down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.fixed_layout import Fixed

DRAWN_AT_ONCE = 2**15
"""Entries of a dropout mask for which doubles are held: a quarter of a megabyte, which stays in a CPU's cache.

No more than torch hands to a single thread: waiting for others that are busy elsewhere takes ten times as long.
"""
BLOCK_SLACK = 1.15
"""How much longer than its shortest video a block's longest may be: more wastes arithmetic, less makes many blocks."""


class Grid(Protocol):
    """A rectangle over some of the rows; the grids of a layout hold one stretch of its rows after the other.

    Attributes:
        rows: how many it holds.
        mask: bool [N, n], True where a valid segment stands.
    """

    rows: int
    mask: Tensor

    def spread(self, rows: Tensor) -> Tensor:
        """The grid's rows [r, ...] -> [N, n, ...], zero on padding."""
        ...

    def collect(self, x: Tensor) -> Tensor:
        """[N, n, ...] -> the grid's rows [r, ...]."""
        ...


class Layout(Protocol):
    """The rows of a batch, and the grids over them.

    Attributes:
        mask: bool [B, L], True on valid segments.
    """

    mask: Tensor

    def rows(self, x: Tensor) -> Tensor:
        """[B, L, ...] -> [R, ...]."""
        ...

    def padded(self, rows: Tensor) -> Tensor:
        """[R, ...] -> [B, L, ...]; what then stands on padding means nothing."""
        ...

    def of_videos(self, x: Tensor) -> Tensor:
        """Every row's own video's: [B, ...] -> [R, ...]."""
        ...

    def of_positions(self, table: Tensor) -> Tensor:
        """Every row's entry by its place in its video: [at least L, d] -> [R, d]."""
        ...

    def windows(self, size: int) -> Sequence[Grid]:
        """Grids of stretches of `size` segments; of whole videos where it is 0."""
        ...

    def dropout(self, rows: Tensor, layer: nn.Dropout) -> Tensor:
        """The layer's dropout. `Packed` draws for [B, L, ...], so that a seed means there what it does in `Fixed`."""
        ...


def choose_layout(mask: Tensor) -> Layout:
    """The layout for a batch of mask [B, L]."""
    return Packed(mask) if packs(mask) else Fixed(mask)


def packs(x: Tensor) -> bool:
    """Whether work on this tensor's device leaves padding out.

    That needs lengths on the host, which CUDA has to be waited for, and shapes that differ from step to step, which
    graphs and compilers do not like: so it is for the CPU, not compiled.
    """
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


ChooseLayout = Callable[[Tensor], Layout]
"""From a mask, bool [B, L], to the layout of its batch."""

Mixer = Callable[[Tensor, Tensor], Tensor]
"""[N, n, d], mask bool [N, n] -> [N, n, d_out]: what looks along time."""


def mix(mixer: Mixer, rows: Tensor, grids: Sequence[Grid]) -> Tensor:
    """Rows [R, d] through a mixer, grid by grid: [R, d_out]."""
    return join([grid.collect(mixer(x, grid.mask)) for grid, x in spread(rows, grids)])


def spread(rows: Tensor, grids: Sequence[Grid]) -> Iterator[tuple[Grid, Tensor]]:
    """Each grid with its rows spread over it. One split: a slice a grid would have a gradient of all rows a grid."""
    parts = [rows] if len(grids) == 1 else rows.split([grid.rows for grid in grids])
    for grid, part in zip(grids, parts, strict=True):
        yield grid, grid.spread(part)


def side_by_side(layout: Layout, *features: Tensor | None) -> Tensor:
    """The rows of several features of the same segments, joined; None is left out. [B, L, d] each -> [R, sum of d]."""
    rows = [layout.rows(x) for x in features if x is not None]
    return join(rows, dim=-1)


def in_turn(layers: Iterable[nn.Module], rows: Tensor, layout: Layout) -> Tensor:
    """Rows [R, d] through layers one after the other, dropout among them as the layout draws it: [R, d_out]."""
    for layer in layers:
        rows = layout.dropout(rows, layer) if isinstance(layer, nn.Dropout) else layer(rows)
    return rows


def join(parts: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Parts one after the other, as what the grids collected as rows again; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim)


class Packed:
    """Valid segments alone, the shortest video first. Where all are valid, nothing is copied."""

    def __init__(self, mask: Tensor) -> None:
        self.mask, self.whole = mask, bool(mask.all())
        self.lengths, self.order = mask.sum(dim=1).sort(stable=True)
        self.video = self.order.repeat_interleave(self.lengths)
        starts = self.lengths.cumsum(0) - self.lengths
        self.position = torch.arange(len(self.video)) - starts.repeat_interleave(self.lengths)
        self.index = self.video * mask.shape[1] + self.position
        self._grids: dict[int, Sequence[Grid]] = {}
        self._lines: dict[int, Grid] = {}

    def rows(self, x: Tensor) -> Tensor:
        return x.flatten(0, 1) if self.whole else pick(x.flatten(0, 1), self.index)

    def padded(self, rows: Tensor) -> Tensor:
        if self.whole:
            return rows.unflatten(0, self.mask.shape)
        return _put(rows, self.index, self.mask.numel()).unflatten(0, self.mask.shape)

    def of_videos(self, x: Tensor) -> Tensor:
        return x[self.video]

    def of_positions(self, table: Tensor) -> Tensor:
        return F.embedding(self.position, table)

    def windows(self, size: int) -> Sequence[Grid]:
        if size not in self._grids:
            self._grids[size] = [self._stretches(size)] if size else self._blocks()
        return self._grids[size]

    def line(self, margin: int) -> Grid:
        """All videos one after the other, with `margin` zeros between: [1, n]."""
        if margin not in self._lines:
            gaps = margin * torch.arange(len(self.lengths)).repeat_interleave(self.lengths)
            slots = torch.arange(len(gaps)) + gaps
            self._lines[margin] = PackedGrid(slots, (1, len(gaps) + margin * (len(self.lengths) - 1)))
        return self._lines[margin]

    def _stretches(self, size: int) -> Grid:
        counts = (self.lengths + size - 1).div(size, rounding_mode="floor")
        first = (counts.cumsum(0) - counts).repeat_interleave(self.lengths)
        return PackedGrid(first * size + self.position, (int(counts.sum()), size))

    def _blocks(self) -> Sequence[Grid]:
        """Whole videos, those of about one length together."""
        lengths, grids, start, row = self.lengths.tolist(), [], 0, 0
        while start < len(lengths):
            end = start + 1
            while end < len(lengths) and lengths[end] <= BLOCK_SLACK * lengths[start]:
                end += 1
            stop = row + sum(lengths[start:end])
            nth = torch.arange(end - start).repeat_interleave(self.lengths[start:end])
            longest = lengths[end - 1]
            grids.append(PackedGrid(nth * longest + self.position[row:stop], (end - start, longest)))
            start, row = end, stop
        return grids

    def dropout(self, rows: Tensor, layer: nn.Dropout) -> Tensor:
        if not layer.training or not layer.p:
            return rows
        kept = drawn(1 - layer.p, (self.mask.numel(), *rows.shape[1:]))
        return _Drop.apply(rows, kept if self.whole else kept.index_select(0, self.index), layer.p)


class PackedGrid:
    """Rows with a place each in a rectangle, in its order; zeros between them."""

    def __init__(self, slots: Tensor, shape: tuple[int, int]) -> None:
        self.rows, self.slots, self.shape, self.full = len(slots), slots, shape, len(slots) == shape[0] * shape[1]
        self.mask = torch.zeros(shape[0] * shape[1], dtype=torch.bool).index_fill_(0, slots, True).view(shape)

    def spread(self, rows: Tensor) -> Tensor:
        return (rows if self.full else _put(rows, self.slots, self.mask.numel())).unflatten(0, self.shape)

    def collect(self, x: Tensor) -> Tensor:
        return x.flatten(0, 1) if self.full else pick(x.flatten(0, 1), self.slots)


def dropped(x: Tensor, share: float) -> Tensor:
    """Dropout in training, for what is no row of a layout; on the CPU drawn in less than half of torch's time."""
    if not share or not packs(x):
        return F.dropout(x, share)
    return _Drop.apply(x, drawn(1 - share, x.shape), share)


class _Drop(torch.autograd.Function):
    """x where bool `kept` is True, times 1 / (1 - share). What is held for its gradient is a byte an entry."""

    @staticmethod
    def forward(context: Any, x: Tensor, kept: Tensor, share: float) -> Tensor:
        context.save_for_backward(kept)
        context.scale = 0.0 if share == 1 else 1 / (1 - share)
        return _scaled(kept, context.scale, x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = context.saved_tensors
        return _scaled(kept, context.scale, gradient), None, None


def _scaled(kept: Tensor, scale: float, x: Tensor) -> Tensor:
    return kept.to(x.dtype).mul_(scale).mul_(x)


def drawn(share: float, shape: Sequence[int]) -> Tensor:
    """bool [shape], True with the probability `share`: what `bernoulli_` draws on a CPU, in less than half its time.

    Both compare a uniform double an entry with the share; `bernoulli_` does all of it entry by entry.
    """
    kept = torch.empty(math.prod(shape), dtype=torch.bool)
    uniform = torch.empty(min(len(kept), DRAWN_AT_ONCE), dtype=torch.float64)
    for part in kept.split(DRAWN_AT_ONCE):
        torch.lt(uniform[: len(part)].uniform_(), share, out=part)
    return kept.view(tuple(shape))


def _put(rows: Tensor, slots: Tensor, count: int) -> Tensor:
    """Rows at their slots among `count`, zeros elsewhere; no slot twice."""
    return rows.new_zeros(count, *rows.shape[1:]).index_copy(0, slots, rows)


class _Pick(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, slots: Tensor, dim: int) -> Tensor:
        context.save_for_backward(slots)
        context.shape, context.dim = x.shape, dim
        return x.index_select(dim, slots)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slots,) = context.saved_tensors
        return gradient.new_zeros(context.shape).index_copy(context.dim, slots, gradient), None, None


def pick(x: Tensor, slots: Tensor, dim: int = 0) -> Tensor:
    """x.index_select(dim, slots) of which no slot comes twice: the gradient is put back, where torch would add up."""
    return _Pick.apply(x, slots, dim)
