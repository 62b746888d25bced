"""Multiple-instance bags: how many segments speak for a video, and the mean of the highest (k of eqs. 4, 9, 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmvad.metrics.video_level import SEGMENTS_A_PICK, bag_size
from mmvad.models.layout import packs


def top_k(mask: Tensor) -> Tensor:
    """k = floor(n / 16) + 1 for every video, never above n: bool [B, L] -> int64 [B]."""
    return mask.sum(dim=1) // SEGMENTS_A_PICK + 1


def largest_top_k(length: int) -> int:
    """The k of a video of `length` segments, the largest that a batch of that L can have."""
    return bag_size(length)


def top_mean(scores: Tensor, mask: Tensor) -> Tensor:
    """Mean of the k highest valid scores over time, k = floor(n / 16) + 1.

    Args:
        scores: [B, L] or [B, L, C].
        mask: bool [B, L].

    Returns: [B] or [B, C].
    """
    flat = scores if scores.dim() == 3 else scores.unsqueeze(-1)
    highest, positions = flat.masked_fill(~mask.unsqueeze(-1), float("-inf")).topk(largest_top_k(mask.shape[1]), dim=1)
    chosen = _own(highest, mask).unsqueeze(-1)
    if packs(mask):
        total = highest.masked_fill(~chosen, 0).sum(dim=1)
    else:  # the gradient of topk would be put in its places by sorting them
        total = flat.where((_is_at(positions, mask.shape[1]) & chosen.unsqueeze(-1)).any(dim=1).mT, 0).sum(dim=1)
    mean = total / top_k(mask).unsqueeze(-1)
    return mean if scores.dim() == 3 else mean.squeeze(-1)


def top_positions(scores: Tensor, mask: Tensor, *, lowest: bool = False) -> tuple[Tensor, Tensor]:
    """Where a video's k highest (or lowest) valid scores lie, k = floor(n / 16) + 1; chosen without gradient.

    Args:
        scores: [B, L].
        mask: bool [B, L].

    Returns: positions int64 [B, K], K the largest k; taken bool [B, K], False beyond a video's own k.
    """
    filled = scores.detach().masked_fill(~mask, float("inf") if lowest else float("-inf"))
    positions = filled.topk(largest_top_k(mask.shape[1]), dim=1, largest=not lowest).indices
    return positions, _own(positions, mask)


def _own(picked: Tensor, mask: Tensor) -> Tensor:
    """Of a video's K picks those within its own k: [B, K, ...], bool [B, L] -> bool [B, K]."""
    return torch.arange(picked.shape[1], device=mask.device) < top_k(mask)[:, None]


def _is_at(positions: Tensor, length: int) -> Tensor:
    """Whether a pick is the segment: int64 [...] of positions -> bool [..., L]."""
    return positions.unsqueeze(-1) == torch.arange(length, device=positions.device)


def rows_at(features: Tensor, positions: Tensor) -> Tensor:
    """The segments at these positions: [B, L, d], int64 [B, K] -> [B, K, d].

    Off the CPU by a product with ones and zeros: a gather's gradient is added up there by sorting all its places.
    """
    if packs(features):
        return features.gather(1, positions.unsqueeze(-1).expand(-1, -1, features.shape[-1]))
    return _is_at(positions, features.shape[1]).to(features.dtype) @ features


def rows_at_each(features: Tensor, *positions: Tensor) -> Sequence[Tensor]:
    """`rows_at` for several choices of positions; off the CPU by one product for all."""
    if packs(features):
        return [rows_at(features, each) for each in positions]
    return rows_at(features, torch.cat(positions, dim=1)).split([each.shape[1] for each in positions], dim=1)


class Pairs(NamedTuple):
    """The i-th abnormal beside the i-th normal video, in their order.

    Attributes:
        abnormal, normal: int64 [B], positions in the batch.
        taken: bool [B], whether there is an i-th of either kind.
    """

    abnormal: Tensor
    normal: Tensor
    taken: Tensor


def pairs_of(abnormal: Tensor) -> Pairs:
    """Of videos of two kinds, bool [B], as many pairs as the rarer kind has; of fixed shape, so nothing waits."""
    position, count = torch.arange(len(abnormal), device=abnormal.device), abnormal.sum()
    return Pairs(
        chosen_first(abnormal), chosen_first(~abnormal), position < torch.minimum(count, len(abnormal) - count)
    )


def chosen_first(chosen: Tensor) -> Tensor:
    """The positions of those chosen, bool [B], and then of the others, both in their order: int64 [B]."""
    return (~chosen).int().argsort(stable=True)


def ranks(values: Tensor) -> Tensor:
    """How many of a row's values stand before each, the largest first and the earlier of equals: [..., n] -> int64."""
    return values.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)


def mean_where(values: Tensor, taken: Tensor) -> Tensor:
    """The mean of the values that are taken, bool of the same shape or less at its end; 0 of nothing."""
    taken = taken.reshape(taken.shape + (1,) * (values.dim() - taken.dim())).expand_as(values)
    return (values * taken).sum() / taken.sum().clamp(min=1)


def mean_rows(rows: Tensor, taken: Tensor) -> Tensor:
    """Each video's mean over the rows that are taken: [B, K, d], bool [B, K] -> [B, d]."""
    return (rows * taken.unsqueeze(-1)).sum(dim=1) / taken.sum(dim=1, keepdim=True)
