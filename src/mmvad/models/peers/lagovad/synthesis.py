"""LaGoVAD's dynamic video synthesis: a video between stretches of normal ones of its batch; when is then known."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Synthesised(NamedTuple):
    """Videos of several clips.

    Attributes:
        visual: [B, L, d].
        mask: bool [B, L], valid segments.
        own: bool [B, L], which of them are of the video that has the label.
    """

    visual: Tensor
    mask: Tensor
    own: Tensor


def synthesised(visual: Tensor, mask: Tensor, normal: Tensor, most: int, alone: float) -> Synthesised:
    """Each video at a random place among up to `most` - 1 stretches of normal ones; a share stays `alone`.

    A stretch of n segments begins in the first half, at s, and ends between (s + n) / 2 and n. What is longer than L
    together is picked to L.

    Args:
        visual: [B, L, d].
        mask: bool [B, L].
        normal: bool [B].
    """
    videos, length = mask.shape
    sizes, number = mask.sum(dim=1), torch.arange(most, device=mask.device)
    count = _below(torch.full_like(sizes, most)) + 1
    count = count.where((torch.rand(videos, device=mask.device) >= alone) & normal.any(), 1)
    own = number == _below(count)[:, None]
    source = torch.rand(videos, most, videos, device=mask.device).masked_fill(~normal, -1).argmax(dim=-1)
    source = source.where(~own, torch.arange(videos, device=mask.device)[:, None])
    start = _below(sizes[source] // 2 + 1).where(~own, 0)
    least = (start + sizes[source]) // 2
    size = (least + _below(sizes[source] - least + 1)).where(~own, sizes[source]) - start
    ends = size.where(number < count[:, None], 0).cumsum(dim=1)
    total = ends[:, -1:]
    time = torch.arange(length, device=mask.device)
    read = time * total.clamp(min=length) // length
    clip = (read.unsqueeze(-1) >= ends.unsqueeze(1)).sum(dim=-1).clamp(max=most - 1)
    row = read - (ends - size - start).gather(1, clip)
    valid = time < total
    rows = visual[source.gather(1, clip), row.clamp(0, length - 1)] * valid.unsqueeze(-1)
    return Synthesised(rows, valid, own.gather(1, clip) & valid)


def _below(bound: Tensor) -> Tensor:
    """A random whole number from 0 to below each bound, of the same shape and type."""
    return (torch.rand(bound.shape, device=bound.device) * bound).long()
