"""Sultani et al. 2018: the best segment of an abnormal bag shall outrank the best one of a normal bag."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.magnitude import smoothness, with_total
from mmvad.models.peers.sultani.settings import SultaniSettings
from mmvad.models.setting import Setting

HIDDEN = (512, 32)
EPSILON = 1e-8


class Sultani(Model[Tensor]):
    """s = sigmoid(MLP(x / |x|)), each segment on its own: d > 512 (ReLU) > 32 (linear) > 1, dropout between."""

    one_graph = True

    def __init__(self, width: int, settings: SultaniSettings) -> None:
        super().__init__()
        self.settings = settings
        first, second = HIDDEN
        self.layers = nn.Sequential(
            nn.Linear(width, first),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(first, second),
            nn.Dropout(settings.dropout),
            nn.Linear(second, 1),
        )
        for name, parameter in self.named_parameters():
            (nn.init.xavier_normal_ if name.endswith("weight") else nn.init.zeros_)(parameter)

    def forward(self, batch: Batch) -> Tensor:
        """s [R, L]."""
        return in_float32(self.layers, F.normalize(batch.visual, dim=-1)).squeeze(-1).sigmoid()

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """`rank` + 8e-5 `smooth` + 8e-5 `sparse`; the last two of abnormal bags, summed over them like `rank`."""
        scores, mask, abnormal = output.float(), batch.mask, batch.abnormal
        unwanted = mask & abnormal[:, None]
        terms = {
            "rank": ranking_loss(scores.masked_fill(~mask, 0).amax(dim=1), abnormal),
            "smooth": smoothness(scores, unwanted),
            "sparse": (scores * unwanted).sum(),
        }
        return with_total(terms, self.settings)

    def scores(self, output: Tensor) -> Scores:
        return Scores(output.float(), None)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Weights alone decay: 1e-3 |W|^2 in the loss is a weight decay of 2e-3."""
        named = list(self.named_parameters())
        weights = [p for name, p in named if name.endswith("weight")]
        biases = [p for name, p in named if not name.endswith("weight")]
        common = {"lr": learning_rate, "eps": EPSILON}
        return [{"params": weights, **common}, {"params": biases, "weight_decay": 0.0, **common}]


def ranking_loss(best: Tensor, abnormal: Tensor) -> Tensor:
    """sum_a mean_b max(0, 1 - best_a + best_b), a over abnormal, b over normal bags: [R], bool [R] -> scalar.

    0 where either kind is missing.
    """
    hinge = F.relu(1 - best[:, None] + best[None, :]) * (abnormal[:, None] & ~abnormal[None, :])
    return hinge.sum() / (~abnormal).sum().clamp(min=1)


def build(setting: Setting, settings: SultaniSettings) -> Sultani:
    """The ranking model for a bank's pictures."""
    return Sultani(setting.visual_width, settings)
