"""GCL (Zaheer et al. 2022): generator and discriminator teach one another which segments are abnormal, without labels.

A reconstruction: README.md says what is inferred.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.mil import each_cross_entropy
from mmvad.models.losses.pooling import mean_where
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.gcl.settings import GclSettings
from mmvad.models.setting import Setting

DIVISORS = (1, 2, 4, 8, 4, 2, 1)
"""Of the features' width, in the generator: 2048, 1024, 512, 256 and back."""
HIDDEN = (512, 32)
MOMENTUM = 0.6


class GclOutput(NamedTuple):
    """What the generator makes of the segments, [B, L, d], and the discriminator's logits, [B, L]; float32."""

    rebuilt: Tensor
    logits: Tensor


def chain(widths: list[int]) -> nn.Sequential:
    """Linear layers of these widths, ReLU between."""
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class Gcl(Model[GclOutput]):
    """Both networks, a segment at a time. The discriminator is scored.

    Attributes:
        together: 0 while the generator starts alone, then 1.
    """

    one_graph = True
    together: Tensor

    def __init__(self, width: int, settings: GclSettings) -> None:
        super().__init__()
        self.settings = settings
        self.generator = chain([width // divisor for divisor in DIVISORS])
        self.discriminator = chain([width, *HIDDEN, 1])
        self.register_buffer("together", torch.zeros(()), persistent=False)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        self.together.fill_(epoch >= self.settings.start_share * epochs)

    def forward(self, batch: Batch) -> GclOutput:
        logits = in_float32(self.discriminator, batch.visual).squeeze(-1)
        return GclOutput(in_float32(self.generator, batch.visual), logits)

    def losses(self, output: GclOutput, batch: Batch) -> dict[str, Tensor]:
        """`generator`: mean |t - f(x)|^2, t = x, or 1 where the discriminator says abnormal (negative learning).

        `discriminator`: cross-entropy with what the generator calls abnormal. First the generator learns alone, on
        `trusted` segments.
        """
        x, mask = batch.visual.float(), batch.mask
        plain = (x - output.rebuilt).square().sum(dim=-1)
        accused = above(output.logits.detach().sigmoid(), mask, self.settings.score_deviations)
        negative = torch.where(accused, (1 - output.rebuilt).square().sum(dim=-1), plain)
        first = mean_where(plain, trusted(batch, self.settings))
        generator = torch.where(self.together > 0, mean_where(negative, mask), first)
        target = above(plain.detach(), mask, self.settings.error_deviations).float()
        discriminator = mean_where(each_cross_entropy(output.logits.sigmoid(), target), mask)
        total = generator + self.together * discriminator
        return {"generator": generator, "discriminator": discriminator, "total": total}

    def scores(self, output: GclOutput) -> Scores:
        return Scores(output.logits.sigmoid(), None)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """With the paper's momentum, which RMSprop takes and others leave."""
        return [{"params": list(self.parameters()), "lr": learning_rate, "momentum": MOMENTUM}]


def above(values: Tensor, mask: Tensor, deviations: float) -> Tensor:
    """Which valid values reach the mean plus so many standard deviations of the batch's: [B, L] -> bool [B, L]."""
    mean = mean_where(values, mask)
    deviation = mean_where((values - mean).square(), mask).sqrt()
    return mask & (values >= mean + deviations * deviation)


def trusted(batch: Batch, settings: GclSettings) -> Tensor:
    """What the generator starts with: bool [B, L], segments of normal videos, or those near the segment before."""
    if settings.start == "normal":
        return batch.mask & ~batch.abnormal[:, None]
    unit = F.normalize(batch.visual.float(), dim=-1)
    steps = F.pad(unit.diff(dim=1).square().sum(dim=-1), (1, 0))
    return batch.mask & (steps <= settings.steady)


def build(setting: Setting, settings: GclSettings) -> Gcl:
    """Both networks for a bank's pictures."""
    return Gcl(setting.visual_width, settings)
