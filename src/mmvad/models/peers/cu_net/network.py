"""CU-Net (Zhang et al. 2023): heads that differ make complete pseudo-labels; a classifier learns the sure ones.

A reconstruction: README.md says what is inferred.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.mil import binary_cross_entropy, each_cross_entropy
from mmvad.models.losses.pooling import mean_where, top_mean
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.cu_net.settings import CuNetSettings
from mmvad.models.peers.pseudo import segment_labels
from mmvad.models.setting import Setting

HIDDEN = (512, 32)


def classifier(width: int, outputs: int, dropout: float) -> nn.Sequential:
    """Lin(d > 512), ReLU, dropout, Lin(512 > 32), dropout, Lin(32 > outputs)."""
    first, second = HIDDEN
    hidden = [nn.Linear(width, first), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*hidden, nn.Linear(first, second), nn.Dropout(dropout), nn.Linear(second, outputs))


class CuNetOutput(NamedTuple):
    """What the networks say.

    Attributes:
        heads: scores [B, L, H].
        last: scores [B, L] of the last classifier.
        draws: [M, B, L], the last classifier's and the heads' mean scores with dropout; by `stage`, without gradient.
    """

    heads: Tensor
    last: Tensor
    draws: Tensor | None = None


class CuNet(Model[CuNetOutput]):
    """The heads, then the last classifier, which is scored. Sound, where there is some, is joined to the picture.

    Attributes:
        stage: 0 the heads learn, 1 their scores are pseudo-labels, 2 the last classifier's own are.
    """

    one_graph = True
    stage: Tensor

    def __init__(self, width: int, settings: CuNetSettings) -> None:
        super().__init__()
        self.settings = settings
        self.heads = nn.ModuleList(classifier(width, 1, settings.head_dropout) for _ in range(settings.heads))
        self.last = classifier(2 * width, 2, settings.dropout)
        self.register_buffer("stage", torch.zeros(()), persistent=False)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        done, first = epoch / epochs, self.settings.first_share
        self.stage.fill_(int(done >= first) + int(done >= first + self.settings.second_share))

    def forward(self, batch: Batch) -> CuNetOutput:
        x = batch.visual if batch.audio is None else torch.cat([batch.visual, batch.audio], dim=-1)
        both = torch.cat([x, before(x, self.settings.past)], dim=-1)
        if not self.training:
            return CuNetOutput(self.by_heads(x), self.by_last(both))
        with torch.no_grad():
            draws = [
                torch.where(self.stage < 2, self.by_heads(x).mean(dim=-1), self.by_last(both))
                for _ in range(self.settings.draws)
            ]
        return CuNetOutput(self.by_heads(x), self.by_last(both), torch.stack(draws))

    def by_heads(self, x: Tensor) -> Tensor:
        return torch.cat([in_float32(head, x) for head in self.heads], dim=-1).sigmoid()

    def by_last(self, both: Tensor) -> Tensor:
        return in_float32(self.last, both).softmax(dim=-1)[..., 1]

    def losses(self, output: CuNetOutput, batch: Batch) -> dict[str, Tensor]:
        """`bag` + `diverse` + `level` of the heads while they learn, then `pseudo` of the last classifier."""
        truth = batch.abnormal.float()[:, None].expand(-1, self.settings.heads)
        bag = binary_cross_entropy(top_mean(output.heads, batch.mask), truth)
        diverse, level = completeness(output.heads, batch)
        draws = output.last.detach()[None] if output.draws is None else output.draws
        labels, sure = pseudo_labels(draws, batch)
        each = each_cross_entropy(output.last, labels) * sure
        pseudo = mean_where(each, batch.mask)
        heads = bag + self.settings.diverse_weight * diverse + self.settings.level_weight * level
        total = torch.where(self.stage > 0, pseudo, heads)
        return {"bag": bag, "diverse": diverse, "level": level, "pseudo": pseudo, "total": total}

    def scores(self, output: CuNetOutput) -> Scores:
        return Scores(output.last, None)


def before(x: Tensor, past: int) -> Tensor:
    """Each row's mean of the `past` rows before it, as many as there are; the first row itself. [B, L, d] -> same."""
    sums = F.pad(x.float().cumsum(dim=1), (0, 0, 1, 0))
    position = torch.arange(x.shape[1], device=x.device)
    start = (position - past).clamp(min=0)
    means = (sums[:, position] - sums[:, start]) / (position - start).clamp(min=1)[:, None]
    return torch.cat([x[:, :1], means[:, 1:].to(x.dtype)], dim=1)


def completeness(heads: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Means over abnormal videos: the cosine of two heads' scores along time; how far norms lie from their mean.

    Args: heads [B, L, H].
    """
    runs = (heads * batch.mask.unsqueeze(-1)).transpose(1, 2)
    norms = runs.norm(dim=-1)
    level = (norms - norms.mean(dim=-1, keepdim=True)).abs().mean(dim=-1)
    alike = [F.cosine_similarity(runs[:, i], runs[:, j], dim=-1) for i, j in combinations(range(runs.shape[1]), 2)]
    cosine = torch.stack(alike).mean(dim=0) if alike else torch.zeros_like(level)
    return mean_where(cosine, batch.abnormal), mean_where(level, batch.abnormal)


def pseudo_labels(draws: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Labels and how sure they are, [B, L] each, of scores drawn with dropout [M, B, L].

    Labels are the mean draw, stretched to 0..1 over each abnormal video; 0 in normal ones, which are sure. Sure is
    exp(-variance of the draws).
    """
    sure = torch.exp(-draws.var(dim=0, correction=0))
    return segment_labels(draws.mean(dim=0), batch), torch.where(batch.abnormal[:, None], sure, 1)


def build(setting: Setting, settings: CuNetSettings) -> CuNet:
    """CU-Net on the picture, or on picture and sound."""
    return CuNet(setting.visual_width + (setting.audio_width or 0), settings)
