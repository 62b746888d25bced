"""What methods share that localise actions by class activations: a video's class logits, and their cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor

SEGMENTS_A_PICK = 8


def eighth_mean(logits: Tensor, mask: Tensor) -> Tensor:
    """Mean of each class's k highest valid logits, k = ceil(n / 8): [B, L, C], bool [B, L] -> [B, C]."""
    most = -(-mask.shape[1] // SEGMENTS_A_PICK)
    highest = logits.masked_fill(~mask.unsqueeze(-1), float("-inf")).topk(most, dim=1).values
    count = (mask.sum(dim=1) + SEGMENTS_A_PICK - 1) // SEGMENTS_A_PICK
    own = torch.arange(most, device=mask.device) < count[:, None]
    return highest.masked_fill(~own.unsqueeze(-1), 0).sum(dim=1) / count[:, None]


def class_loss(logits: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of softmax(eighth_mean) with the label vector scaled to sum 1: [B, L, C], labels [B, C]."""
    target = labels / labels.sum(dim=1, keepdim=True)
    return -(target * eighth_mean(logits, mask).log_softmax(dim=-1)).sum(dim=-1).mean()


def over_time(logits: Tensor, mask: Tensor) -> Tensor:
    """Softmax of each class over a video's valid segments, 0 on padding: [B, L, C], bool [B, L] -> [B, L, C]."""
    return logits.masked_fill(~mask.unsqueeze(-1), float("-inf")).softmax(dim=1)
