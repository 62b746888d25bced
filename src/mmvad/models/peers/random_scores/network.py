"""The floor: scores drawn at random. What a method gains is what it stands above this."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmvad.models.model import Batch, Model, Scores
from mmvad.models.setting import Setting


class Untrained(Model[Tensor]):
    """A model that gradients teach nothing: its loss is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(()))

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"total": 0 * self.nothing}


class RandomScores(Untrained):
    """Uniform scores, drawn from torch's generator; learns nothing."""

    def forward(self, batch: Batch) -> Tensor:
        return torch.rand(batch.mask.shape)

    def scores(self, output: Tensor) -> Scores:
        return Scores(output, None)


def build(setting: Setting, settings: None) -> RandomScores:
    """The floor for any setting."""
    return RandomScores()
