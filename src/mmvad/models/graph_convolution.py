"""Graph convolutions with a residual, and branches of them, on the rows of a layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.convolution import rows_along_time
from mmvad.models.layout import Grid, Layout, join, spread


class GraphConvolution(nn.Module):
    """The weights of A (x W) + R(x): R is the identity, or a convolution of 5 where the width changes."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.weight = nn.Linear(width, width_out, bias=False)
        nn.init.xavier_uniform_(self.weight.weight)
        self.residual = nn.Identity() if width == width_out else nn.Conv1d(width, width_out, 5, padding=2)


def branched(
    branches: Sequence[Sequence[GraphConvolution]],
    graphs: Sequence[Sequence[Tensor]],
    x: Tensor,
    layout: Layout,
    activated: Callable[[Tensor], Tensor],
) -> Tensor:
    """What branches of layers make of the same rows [R, d], joined: [R, sum of d_out].

    Args:
        graphs: of each branch its adjacencies, one a grid of whole videos: [N, n, n], or [n, n] for all of them.
        activated: what each layer's rows go through.
    """
    grids, found = layout.windows(0), []
    firsts = supports_and_skips([first for first, *_ in branches], x, layout)
    for (_, *later), adjacencies, read in zip(branches, graphs, firsts, strict=True):
        h = activated(convolved(*read, adjacencies, grids))
        for layer in later:
            (read,) = supports_and_skips([layer], h, layout)
            h = activated(convolved(*read, adjacencies, grids))
        found.append(h)
    return torch.cat(found, dim=-1)


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
