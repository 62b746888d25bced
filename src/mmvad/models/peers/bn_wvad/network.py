"""BN-WVAD (Zhou et al. 2024): how far a segment lies from what batch normalisation has seen, times a normality score.

UR-DMU's attention blocks, then a narrowing head whose two batch normalisations know a running mean and variance.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.layout import choose_layout, side_by_side
from mmvad.models.losses.pooling import chosen_first, mean_where, ranks
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.bn_wvad.settings import BnWvadSettings
from mmvad.models.peers.magnitude import MaskedBatchNorm, with_total
from mmvad.models.peers.ur_dmu.network import Block, encoded, near_graphs
from mmvad.models.setting import Setting

MARGIN = 1.0
NARROWED = (16, 32)
TRIPLETS = (5.0, 20.0)
"""Weights of the two layers' triplet losses."""
SMALLEST = 1e-12


class BnOutput(NamedTuple):
    """`logits` [B, L] of how abnormal a segment is, and its distance from the mean of either norm, [B, L] each."""

    logits: Tensor
    distances: tuple[Tensor, Tensor]


class BnWvad(Model[BnOutput]):
    """x = blocks(ReLU(Conv_3 x)); x_1 = Lin x, x_2 = Lin ReLU(BN x_1), logit = Lin ReLU(BN x_2)."""

    one_graph = True

    def __init__(self, width: int, settings: BnWvadSettings) -> None:
        super().__init__()
        self.settings, inner = settings, settings.width
        first, second = (inner // by for by in NARROWED)
        self.embed = nn.Conv1d(width, inner, 3, padding=1)
        self.blocks = nn.ModuleList(Block(inner, 0.0) for _ in range(2))
        self.layers = nn.ModuleList([nn.Linear(inner, first), nn.Linear(first, second)])
        self.norms = nn.ModuleList([MaskedBatchNorm(first), MaskedBatchNorm(second)])
        self.output = nn.Linear(second, 1)

    def forward(self, batch: Batch) -> BnOutput:
        layout = choose_layout(batch.mask)
        near, x = near_graphs(layout, self.settings.distance), side_by_side(layout, batch.visual, batch.audio)
        x = encoded(self.embed, self.blocks, x, near, layout)
        with torch.autocast(x.device.type, enabled=False):  # distances of bfloat16 would tie
            x, distances = x.float(), []
            for layer, norm in zip(self.layers, self.norms, strict=True):
                narrow = layer(x)
                x = F.relu(norm(narrow, layout))
                distances.append(layout.padded(distance_to_mean(narrow, cast(MaskedBatchNorm, norm).norm)))
        logits = layout.padded(in_float32(self.output, x).squeeze(-1))
        return BnOutput(logits, (distances[0], distances[1]))

    def losses(self, output: BnOutput, batch: Batch) -> dict[str, Tensor]:
        """`normal`, the norm of a normal video's scores, + `divergence`, 5 and 20 times the layers' triplet losses."""
        scores = (output.logits.sigmoid() * batch.mask).square().sum(dim=1).clamp(min=SMALLEST).sqrt()
        triplets = [w * triplet_loss(d, batch, self.settings) for w, d in zip(TRIPLETS, output.distances, strict=True)]
        losses = {"normal": mean_where(scores, ~batch.abnormal), "divergence": torch.stack(triplets).sum()}
        return with_total(losses, self.settings)

    def scores(self, output: BnOutput) -> Scores:
        """a / (1 + a) of a = (d_1 + d_2) sigmoid(logit), which ranks as a and lies in 0..1."""
        first, second = output.distances
        raised = (first + second) * output.logits.sigmoid()
        return Scores(raised / (1 + raised), None)


def distance_to_mean(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """sqrt(sum_c (x_c - mean_c)^2 / variance_c) with the running statistics: [R, c] -> [R]."""
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    return ((x - mean).square() / variance.clamp(min=SMALLEST)).sum(dim=-1).clamp(min=SMALLEST).sqrt()


def triplet_loss(distance: Tensor, batch: Batch, settings: BnWvadSettings) -> Tensor:
    """Mean of max(0, d of a normal - d of an abnormal segment + 1); 0 where either kind is missing.

    The j-th chosen segment of the abnormal videos, in their order, stands against the j-th of the normal videos: first
    each video's farthest, then each one's second, and so on.
    """
    chosen = likely_abnormal(distance.detach(), batch, settings).flatten()
    unlikely = normals_by_rank(distance.detach(), batch)
    normal = (batch.mask & ~batch.abnormal[:, None]).sum()
    near, far = distance.flatten()[unlikely], distance.flatten()[chosen_first(chosen)]
    taken = torch.arange(len(chosen), device=chosen.device) < torch.minimum(chosen.sum(), normal)
    return mean_where(F.relu(near - far + MARGIN), taken)


def likely_abnormal(distance: Tensor, batch: Batch, settings: BnWvadSettings) -> Tensor:
    """The farthest segments of every abnormal video, and those of all abnormal videos together: bool [B, L]."""
    open_ = batch.mask & batch.abnormal[:, None]
    count = open_.sum(dim=1, keepdim=True)
    own = ranks(distance.masked_fill(~open_, -1)) < (count.double() * settings.of_video).floor()
    together = ranks(distance.masked_fill(~open_, -1).flatten()).view_as(distance)
    return (own | (together < (count.sum().double() * settings.of_batch).floor())) & open_


def normals_by_rank(distance: Tensor, batch: Batch) -> Tensor:
    """Positions in the flat batch: of normal videos the farthest segments first, then the second, ...: int64 [B L]."""
    open_ = batch.mask & ~batch.abnormal[:, None]
    rank = ranks(distance.masked_fill(~open_, -1))
    video = torch.arange(len(rank), device=rank.device)[:, None]
    key = (rank * len(rank) + video).masked_fill(~open_, rank.numel())
    return key.flatten().argsort(stable=True)


def build(setting: Setting, settings: BnWvadSettings) -> BnWvad:
    """BN-WVAD on the picture, or on picture and sound."""
    return BnWvad(setting.visual_width + (setting.audio_width or 0), settings)
