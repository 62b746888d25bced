"""Multiple-instance bags: how many segments speak for a video, and the mean of the highest (k of eqs. 4, 9, 10)."""

from __future__ import annotations

import torch
from torch import Tensor

SEGMENTS_A_PICK = 16


def bag_size(mask: Tensor) -> Tensor:
    """k = floor(n / 16) + 1 for every video, never above n: bool [B, L] -> int64 [B]."""
    return mask.sum(dim=1) // SEGMENTS_A_PICK + 1


def largest_bag(length: int) -> int:
    """The k of a video of `length` segments, the largest that a batch of that L can have."""
    return length // SEGMENTS_A_PICK + 1


def top_mean(scores: Tensor, mask: Tensor) -> Tensor:
    """Mean of the k highest valid scores over time, k = floor(n / 16) + 1.

    Args:
        scores: [B, L] or [B, L, C].
        mask: bool [B, L].

    Returns: [B] or [B, C].
    """
    flat = scores if scores.dim() == 3 else scores.unsqueeze(-1)
    k = bag_size(mask)
    highest = flat.masked_fill(~mask.unsqueeze(-1), float("-inf")).topk(largest_bag(mask.shape[1]), dim=1)[0]
    chosen = torch.arange(highest.shape[1], device=mask.device) < k[:, None]
    mean = highest.masked_fill(~chosen.unsqueeze(-1), 0).sum(dim=1) / k.unsqueeze(-1)
    return mean if scores.dim() == 3 else mean.squeeze(-1)
