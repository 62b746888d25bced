"""The unsupervised floor: a one-class SVM around the segments of normal videos; what lies outside is abnormal."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from mmvad.models.model import Batch, Scores
from mmvad.models.peers.offline import normal_features, scikit_learn
from mmvad.models.peers.one_class_svm.settings import OneClassSvmSettings
from mmvad.models.peers.random_scores.network import Untrained
from mmvad.models.setting import Setting


class OneClassSvm(Untrained):
    """decision(x) = sum_i a_i exp(-gamma |x - v_i|^2) - rho; score sigmoid(-decision / its spread on what was fitted).

    Exact, by scikit-learn, on a sample of the normal videos' segments; gamma is 1 / (d var x).

    Attributes:
        support: v [S, d].
        weights: a [S].
        constants: gamma, rho, spread.
    """

    fitted = ("support", "weights")
    support: Tensor
    weights: Tensor
    constants: Tensor

    def __init__(self, width: int, settings: OneClassSvmSettings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("support", torch.zeros(0, width))
        self.register_buffer("weights", torch.zeros(0))
        self.register_buffer("constants", torch.ones(3))

    def fit_offline(self, batches: Iterable[Batch]) -> None:
        """Fits the machine; which segments it sees comes from torch's generator, that is from the run's seed."""
        rows = np.concatenate([r.reshape(-1, r.shape[-1]) for r in normal_features(batches)])
        chosen = rows[torch.randperm(len(rows))[: self.settings.samples].numpy()].astype(np.float64)
        gamma = 1 / (chosen.shape[1] * max(chosen.var(), 1e-12))
        machine = scikit_learn("svm").OneClassSVM(nu=self.settings.outliers, gamma=gamma).fit(chosen)
        spread = max(machine.decision_function(chosen).std(), 1e-12)
        self.support = torch.from_numpy(machine.support_vectors_).to(self.support)
        self.weights = torch.from_numpy(machine.dual_coef_[0]).to(self.weights)
        self.constants = torch.tensor([gamma, -machine.intercept_[0], spread]).to(self.constants)

    def forward(self, batch: Batch) -> Tensor:
        with torch.autocast(batch.visual.device.type, enabled=False):  # kernels of near points are near 1
            return torch.sigmoid(-self.decision(batch.visual.float()) / self.constants[2])

    def decision(self, x: Tensor) -> Tensor:
        """Positive inside. [R, L, d] -> [R, L]."""
        gamma, rho, _ = self.constants
        distance = torch.cdist(x.flatten(0, 1), self.support).square()
        return (torch.exp(-gamma * distance) @ self.weights - rho).unflatten(0, x.shape[:2])

    def scores(self, output: Tensor) -> Scores:
        return Scores(output, None)


def build(setting: Setting, settings: OneClassSvmSettings) -> OneClassSvm:
    """The machine for a bank's pictures, not fitted yet."""
    return OneClassSvm(setting.visual_width, settings)
