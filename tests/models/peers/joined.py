"""Picture and sound side by side, as peers take them that fuse early."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmvad.models.model import Batch


def rows(data: Batch, lengths: Sequence[int]) -> list[Tensor]:
    """Every video's valid segments: [n, d]."""
    joined = data.visual if data.audio is None else torch.cat([data.visual, data.audio], dim=-1)
    return [joined[b, :n] for b, n in enumerate(lengths)]
