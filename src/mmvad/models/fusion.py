"""Cross-modal fusion of the visual path with encoded audio (eq. 2). A video without sound stays as it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.layout import Layout, mix
from mmvad.models.registry import FUSIONS, found


class Fusion(nn.Module):
    """F = Fuse(V', A'), A' = LN(A W_a) with dropout (eq. 2). Subclasses say how; a video without sound keeps V'."""

    def __init__(self, width: int, audio_width: int, dropout: float) -> None:
        super().__init__()
        self.encode = nn.Linear(audio_width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, visual: Tensor, audio: Tensor, has_audio: Tensor, layout: Layout) -> Tensor:
        """F on the rows of a layout: visual [R, d], audio [R, d_a], has_audio bool [B] -> [R, d]."""
        encoded = layout.dropout(self.norm(self.encode(audio)), self.dropout)
        fused = self.fuse(visual, encoded, layout)
        return torch.where(layout.of_videos(has_audio).unsqueeze(-1), fused, visual)

    def fuse(self, visual: Tensor, audio: Tensor, layout: Layout) -> Tensor:
        """V' and A', rows [R, d] both."""
        raise NotImplementedError


class GatedFusion(Fusion):
    """V' + g * h, gate and update both from [V'; A']: the audio adds to the picture, never replaces it."""

    def __init__(self, width: int, audio_width: int, dropout: float) -> None:
        super().__init__(width, audio_width, dropout)
        self.gate = nn.Linear(2 * width, width)
        self.update = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, width))

    def fuse(self, visual: Tensor, audio: Tensor, layout: Layout) -> Tensor:
        both = torch.cat([visual, audio], dim=-1)
        return visual + torch.sigmoid(self.gate(both)) * self.update(both)


class ConcatFusion(Fusion):
    """Lin([V'; A'])."""

    def __init__(self, width: int, audio_width: int, dropout: float) -> None:
        super().__init__(width, audio_width, dropout)
        self.project = nn.Linear(2 * width, width)

    def fuse(self, visual: Tensor, audio: Tensor, layout: Layout) -> Tensor:
        return self.project(torch.cat([visual, audio], dim=-1))


class AddFusion(Fusion):
    """V' + A'."""

    def fuse(self, visual: Tensor, audio: Tensor, layout: Layout) -> Tensor:
        return visual + audio


class CrossAttentionFusion(Fusion):
    """V' + attention with queries from LN(V'), keys and values from A', over the valid segments."""

    def __init__(self, width: int, audio_width: int, dropout: float) -> None:
        super().__init__(width, audio_width, dropout)
        self.query, self.key_value, self.output = (nn.Linear(width, n * width) for n in (1, 2, 1))
        self.norm_visual = nn.LayerNorm(width)

    def fuse(self, visual: Tensor, audio: Tensor, layout: Layout) -> Tensor:
        inputs = torch.cat([self.query(self.norm_visual(visual)), self.key_value(audio)], dim=-1)
        return visual + self.output(mix(self.attend, inputs, layout.windows(0)))

    def attend(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Queries, keys and values [N, n, 3d], keys by mask bool [N, n] -> [N, n, d]."""
        query, key, value = inputs.chunk(3, dim=-1)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask.unsqueeze(1))


def build_fusion(kind: str, width: int, audio_width: int, dropout: float) -> Fusion | None:
    """The fusion named by `model.fusion`; None for `none` (the picture alone goes on)."""
    return None if kind == "none" else found(FUSIONS[kind])(width, audio_width, dropout)
