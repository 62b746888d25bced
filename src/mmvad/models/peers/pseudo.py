"""What the methods share that teach one network with another's scores: from scores to labels of segments."""

from __future__ import annotations

import torch
from torch import Tensor

from mmvad.models.model import Batch

FLAT = 1e-6
"""Scores of a video that differ by less say nothing of its segments."""


def segment_labels(scores: Tensor, batch: Batch) -> Tensor:
    """Scores stretched to 0..1 over each abnormal video, as they are where all are equal; 0 in normal ones, [B, L]."""
    low = scores.masked_fill(~batch.mask, float("inf")).amin(dim=1, keepdim=True)
    width = scores.masked_fill(~batch.mask, float("-inf")).amax(dim=1, keepdim=True) - low
    stretched = torch.where(width > FLAT, (scores - low) / width.clamp(min=FLAT), scores)
    return torch.where(batch.abnormal[:, None] & batch.mask, stretched, 0)
