"""CRFD (Wu & Liu 2021): what came shortly before, a causal classifier, compact normal and dispersed abnormal features.

A reconstruction: README.md says what is inferred.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.mil import binary_cross_entropy
from mmvad.models.losses.pooling import mean_rows, mean_where, rows_at, top_mean, top_positions
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.crfd.settings import CrfdSettings
from mmvad.models.peers.hl_net.network import xavier_weights
from mmvad.models.peers.magnitude import with_total
from mmvad.models.setting import Setting

WIDE, WIDTH, REACH = 512, 128, 7
MOMENTUM = 0.1
"""Of the normal segments' running mean."""


class CausalRelation(nn.Module):
    """LN(h_i + W sum_j softmax_j(theta h_i . phi h_j / sqrt(d)) g h_j), j = i - past + 1 .. i. [B, L, d] -> same."""

    def __init__(self, width: int, past: int) -> None:
        super().__init__()
        self.past = past
        self.theta, self.phi, self.g, self.output = (nn.Linear(width, width) for _ in range(4))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """What lies behind a segment does not reach it, so padding needs no mask."""
        position = torch.arange(x.shape[1], device=x.device)
        back = position[:, None] - position[None, :]
        scores = self.theta(x) @ self.phi(x).transpose(1, 2) / math.sqrt(x.shape[-1])
        seen = (back >= 0) & (back < self.past)
        weights = scores.float().masked_fill(~seen, float("-inf")).softmax(dim=-1).to(x.dtype)
        return self.norm(x + self.output(weights @ self.g(x)))


class CrfdOutput(NamedTuple):
    """Features h [B, L, 512] and logits [B, L]."""

    features: Tensor
    logits: Tensor


class Crfd(Model[CrfdOutput]):
    """Lin, the causal relation, Lin, and a causal convolution over 7 segments.

    Attributes:
        centre: the running mean of normal segments' features as unit vectors, [512].
    """

    one_graph = True
    centre: Tensor

    def __init__(self, width: int, settings: CrfdSettings) -> None:
        super().__init__()
        self.settings = settings
        self.wide = nn.Sequential(nn.Linear(width, WIDE), nn.ReLU(), nn.Dropout(settings.dropout))
        self.relation = CausalRelation(WIDE, settings.past)
        self.narrow = nn.Sequential(nn.Linear(WIDE, WIDTH), nn.ReLU(), nn.Dropout(settings.dropout))
        self.causal = nn.Conv1d(WIDTH, 1, REACH)
        self.apply(xavier_weights)
        self.register_buffer("centre", torch.zeros(WIDE))

    def forward(self, batch: Batch) -> CrfdOutput:
        features = self.relation(self.wide(batch.visual))
        past = F.pad(self.narrow(features).transpose(1, 2), (REACH - 1, 0))
        return CrfdOutput(features, in_float32(self.causal, past).squeeze(1))

    def losses(self, output: CrfdOutput, batch: Batch) -> dict[str, Tensor]:
        """`bag` bce(TK(s), y) + 0.1 `compact` + 0.1 `disperse`, distances of unit features from the normal centre c.

        `compact`: mean |h - c|^2 over normal segments. `disperse`: mean over abnormal videos of
        max(0, 1 - |h_top - c|)^2, h_top the mean of the k highest scoring segments.
        """
        scores, h = output.logits.float().sigmoid(), F.normalize(output.features.float(), dim=-1)
        normal = batch.mask & ~batch.abnormal[:, None]
        if self.training:
            self.follow(h.detach(), normal)
        positions, taken = top_positions(scores, batch.mask)
        apart = (mean_rows(rows_at(h, positions), taken) - self.centre).norm(dim=-1)
        terms = {
            "bag": binary_cross_entropy(top_mean(scores, batch.mask), batch.abnormal.float()),
            "compact": mean_where((h - self.centre).square().sum(dim=-1), normal),
            "disperse": mean_where(F.relu(self.settings.margin - apart).square(), batch.abnormal),
        }
        return with_total(terms, self.settings)

    def follow(self, h: Tensor, normal: Tensor) -> None:
        """Moves the centre towards the mean of the batch's normal segments."""
        mean = (h * normal.unsqueeze(-1)).sum(dim=(0, 1)) / normal.sum().clamp(min=1)
        self.centre.lerp_(torch.where(normal.any(), mean, self.centre), MOMENTUM)

    def scores(self, output: CrfdOutput) -> Scores:
        return Scores(output.logits.float().sigmoid(), None)


def build(setting: Setting, settings: CrfdSettings) -> Crfd:
    """CRFD for a bank's pictures."""
    return Crfd(setting.visual_width, settings)
