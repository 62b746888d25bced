"""Cross-modal fusion of the visual path with encoded audio (eq. 2). A video without sound stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Fusion(nn.Module):
    """F = Fuse(V', A W_a). Subclasses say how; here the audio is encoded, regularised and switched off where absent."""

    def __init__(self, width: int, audio_width: int, dropout: float) -> None:
        super().__init__()
        self.encode = nn.Linear(audio_width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, visual: Tensor, audio: Tensor, heard: Tensor, mask: Tensor) -> Tensor:
        """visual [B, L, d], audio [B, L, d_a], heard bool [B] (has sound), mask bool [B, L] -> F [B, L, d]."""
        encoded = self.dropout(self.norm(self.encode(audio)))
        return torch.where(heard[:, None, None], self.fuse(visual, encoded, mask), visual)

    def fuse(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError


class GatedFusion(Fusion):
    """V' + g * h, gate and update both from [V'; A]: the audio adds to the picture, never replaces it."""

    def __init__(self, width: int, audio_width: int, dropout: float) -> None:
        super().__init__(width, audio_width, dropout)
        self.gate = nn.Linear(2 * width, width)
        self.update = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, width))

    def fuse(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        both = torch.cat([visual, audio], dim=-1)
        return visual + torch.sigmoid(self.gate(both)) * self.update(both)


class ConcatFusion(Fusion):
    """Lin([V'; A])."""

    def __init__(self, width: int, audio_width: int, dropout: float) -> None:
        super().__init__(width, audio_width, dropout)
        self.project = nn.Linear(2 * width, width)

    def fuse(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        return self.project(torch.cat([visual, audio], dim=-1))


class AddFusion(Fusion):
    """V' + A."""

    def fuse(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        return visual + audio


class CrossAttentionFusion(Fusion):
    """V' + attention with visual queries, audio keys and values, over the valid segments."""

    def __init__(self, width: int, audio_width: int, dropout: float) -> None:
        super().__init__(width, audio_width, dropout)
        self.query, self.key_value, self.output = (nn.Linear(width, n * width) for n in (1, 2, 1))
        self.norm_visual = nn.LayerNorm(width)

    def fuse(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        key, value = self.key_value(audio).chunk(2, dim=-1)
        found = F.scaled_dot_product_attention(
            self.query(self.norm_visual(visual)), key, value, attn_mask=mask.unsqueeze(1)
        )
        return visual + self.output(found)


_KINDS: dict[str, Callable[[int, int, float], Fusion]] = {
    "gated": GatedFusion,
    "concat": ConcatFusion,
    "add": AddFusion,
    "cross_attention": CrossAttentionFusion,
}


def build_fusion(kind: str, width: int, audio_width: int, dropout: float) -> Fusion | None:
    """The fusion named by `model.fusion`; None for `none` (the picture alone goes on)."""
    return None if kind == "none" else _KINDS[kind](width, audio_width, dropout)
