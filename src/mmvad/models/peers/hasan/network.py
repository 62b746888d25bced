"""Hasan et al. 2016, on features: an autoencoder learns normal segments; what it cannot rebuild is abnormal.

A reconstruction: README.md says what is inferred.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmvad.models.losses.pooling import mean_where
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.hasan.settings import HasanSettings
from mmvad.models.setting import Setting

HIDDEN = (2000, 1000, 500, 30)
FLAT = 1e-6
"""Errors of a video that differ by less say nothing of its segments."""
MOMENTUM = 0.1
"""Of the running mean error."""


class Errors(NamedTuple):
    """e_t = |x_t - f(x_t)|, float32 [B, L], and the mask bool [B, L]."""

    error: Tensor
    mask: Tensor


class Hasan(Model[Errors]):
    """Layers d > 2000 > 1000 > 500 > 30 > 500 > 1000 > 2000 > d, tanh behind all but the last.

    Attributes:
        usual: the running mean error of normal segments.
    """

    one_graph = True
    usual: Tensor

    def __init__(self, width: int, settings: HasanSettings) -> None:
        super().__init__()
        self.settings = settings
        widths = (width, *HIDDEN, *HIDDEN[-2::-1], width)
        layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.Tanh())]
        self.layers = nn.Sequential(*layers[:-1])
        for name, parameter in self.named_parameters():
            (nn.init.xavier_uniform_ if name.endswith("weight") else nn.init.zeros_)(parameter)
        self.register_buffer("usual", torch.ones(()))

    def forward(self, batch: Batch) -> Errors:
        x = batch.visual.float()
        return Errors((x - in_float32(self.layers, x)).norm(dim=-1), batch.mask)

    def losses(self, output: Errors, batch: Batch) -> dict[str, Tensor]:
        """Half the mean of e^2 over the segments of normal videos; 0 without any."""
        normal = batch.mask & ~batch.abnormal[:, None]
        loss = 0.5 * mean_where(output.error.square(), normal)
        if self.training:
            mean = mean_where(output.error.detach(), normal)
            self.usual.lerp_(torch.where(normal.any(), mean, self.usual), MOMENTUM)
        return {"rebuild": loss, "total": loss}

    def scores(self, output: Errors) -> Scores:
        """`video`: (e - min) / (max - min) over the video, 0 where all are equal; `all`: e / (e + usual)."""
        if self.settings.scale == "all":
            return Scores(output.error / (output.error + self.usual), None)
        low = output.error.masked_fill(~output.mask, float("inf")).amin(dim=1, keepdim=True)
        width = output.error.masked_fill(~output.mask, float("-inf")).amax(dim=1, keepdim=True) - low
        differs = width > FLAT
        return Scores(
            torch.where(differs & output.mask, (output.error - low) / torch.where(differs, width, 1), 0), None
        )


def build(setting: Setting, settings: HasanSettings) -> Hasan:
    """The autoencoder for a bank's pictures."""
    return Hasan(setting.visual_width, settings)
