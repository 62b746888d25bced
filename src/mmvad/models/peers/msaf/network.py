"""MSAF (Wei et al. 2022): each modality refines the label; attention that learns the refined labels joins them.

A reconstruction: README.md says what is inferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmvad.models.losses.mil import binary_cross_entropy, each_cross_entropy
from mmvad.models.losses.pooling import mean_where, top_mean
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.msaf.settings import MsafSettings
from mmvad.models.peers.pseudo import segment_labels
from mmvad.models.setting import Setting

WIDE, WIDTH = 512, 128


class Modality(nn.Module):
    """One modality's refiner, its features, and the attention on them."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.refine = scorer(width, dropout)
        self.embed = nn.Sequential(nn.Linear(width, WIDTH), nn.ReLU(), nn.Dropout(dropout))
        self.attend = nn.Linear(WIDTH, 1)


def scorer(width: int, dropout: float) -> nn.Sequential:
    """Lin(d > 512), ReLU, dropout, Lin(512 > 1)."""
    return nn.Sequential(nn.Linear(width, WIDE), nn.ReLU(), nn.Dropout(dropout), nn.Linear(WIDE, 1))


class MsafOutput(NamedTuple):
    """Logits of the refiners and of the attention [B, L, M], and of the fusion [B, L]."""

    refined: Tensor
    attention: Tensor
    fused: Tensor


class Msaf(Model[MsafOutput]):
    """The modalities, and the fusion, which is scored; `widths` are theirs.

    Attributes:
        together: 0 while labels are refined, then 1.
    """

    one_graph = True
    together: Tensor

    def __init__(self, widths: Sequence[int], settings: MsafSettings) -> None:
        super().__init__()
        self.settings = settings
        self.modalities = nn.ModuleList(Modality(width, settings.dropout) for width in widths)
        self.fuse = scorer(WIDTH * len(widths), settings.dropout)
        self.register_buffer("together", torch.zeros(()), persistent=False)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        self.together.fill_(epoch >= self.settings.start_share * epochs)

    def forward(self, batch: Batch) -> MsafOutput:
        streams = [batch.visual] if batch.audio is None else [batch.visual, batch.audio]
        refined, attention, rows = [], [], []
        for modality, x in zip(self.modalities, streams, strict=True):
            assert isinstance(modality, Modality)
            features = modality.embed(x)
            refined.append(in_float32(modality.refine, x))
            attention.append(in_float32(modality.attend, features))
            rows.append(features * (1 + attention[-1].sigmoid().to(features.dtype)))
        fused = in_float32(self.fuse, torch.cat(rows, dim=-1)).squeeze(-1)
        return MsafOutput(torch.cat(refined, dim=-1), torch.cat(attention, dim=-1), fused)

    def losses(self, output: MsafOutput, batch: Batch) -> dict[str, Tensor]:
        """`refine`, the mean over modalities of bce(TK(s), y); later also `fused` and `attention`.

        These two are cross-entropies with the refined labels.
        """
        refined = output.refined.float().sigmoid()
        truth = batch.abnormal.float()[:, None].expand(-1, refined.shape[-1])
        refine = binary_cross_entropy(top_mean(refined, batch.mask), truth)
        labels = segment_labels(refined.detach().mean(dim=-1), batch)
        fused = mean_where(each_cross_entropy(output.fused.float().sigmoid(), labels), batch.mask)
        wanted = labels.unsqueeze(-1).expand_as(refined)
        attention = mean_where(each_cross_entropy(output.attention.float().sigmoid(), wanted), batch.mask)
        total = refine + self.together * (fused + self.settings.attention_weight * attention)
        return {"refine": refine, "fused": fused, "attention": attention, "total": total}

    def scores(self, output: MsafOutput) -> Scores:
        return Scores(output.fused.float().sigmoid(), None)


def build(setting: Setting, settings: MsafSettings) -> Msaf:
    """MSAF on the picture, or on picture and sound."""
    widths = (setting.visual_width, setting.audio_width)
    return Msaf([width for width in widths if width is not None], settings)
