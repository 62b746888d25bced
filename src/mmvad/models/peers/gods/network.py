"""GODS (Wang & Cherian 2019): normal segments between two orthonormal frames of hyperplanes.

A reconstruction: README.md says what is inferred.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.model import Batch, Scores
from mmvad.models.peers.gods.settings import GodsSettings
from mmvad.models.peers.offline import normal_features
from mmvad.models.peers.random_scores.network import Untrained
from mmvad.models.setting import Setting

RATE = 0.01
"""Of Adam, which fits the frames."""


class Gods(Untrained):
    """Unit vectors x are normal where min(W_1^T x + b_1) > 0 > max(W_2^T x + b_2); score sigmoid(-inside / spread).

    Attributes:
        frames: W_1, W_2 [2, d, K], orthonormal columns; biases [2, K].
        spread: standard deviation of `inside` on what was fitted.
    """

    frames: Tensor
    biases: Tensor
    spread: Tensor

    def __init__(self, width: int, settings: GodsSettings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("frames", torch.zeros(2, width, settings.hyperplanes))
        self.register_buffer("biases", torch.zeros(2, settings.hyperplanes))
        self.register_buffer("spread", torch.ones(()))

    def fit_offline(self, batches: Iterable[Batch]) -> None:
        """Fits both frames; which segments it sees comes from torch's generator, that is from the run's seed."""
        rows = np.concatenate([r.reshape(-1, r.shape[-1]) for r in normal_features(batches)])
        chosen = rows[torch.randperm(len(rows))[: self.settings.samples].numpy()]
        x = F.normalize(torch.from_numpy(chosen), dim=-1)
        with torch.enable_grad():
            frames, biases = fitted(x, self.settings)
        self.frames, self.biases = frames.to(self.frames), biases.to(self.biases)
        self.spread = inside(x, frames, biases).std().clamp(min=1e-12).to(self.spread)

    def forward(self, batch: Batch) -> Tensor:
        with torch.autocast(batch.visual.device.type, enabled=False):
            x = F.normalize(batch.visual.float(), dim=-1)
            return torch.sigmoid(-inside(x, self.frames, self.biases) / self.spread)

    def scores(self, output: Tensor) -> Scores:
        return Scores(output, None)


def inside(x: Tensor, frames: Tensor, biases: Tensor) -> Tensor:
    """min(min(W_1^T x + b_1), -max(W_2^T x + b_2)): positive between the frames. [..., d] -> [...]."""
    first, second = (x @ w + b for w, b in zip(frames, biases, strict=True))
    return torch.minimum(first.amin(dim=-1), -second.amax(dim=-1))


def objective(x: Tensor, frames: Tensor, biases: Tensor, settings: GodsSettings) -> Tensor:
    """Mean over x of [eta - min(u)]_+^2 + [eta + max(v)]_+^2 + lambda (|u|^2 + |v|^2), u, v = W^T x + b. x [N, d]."""
    u, v = (x @ w + b for w, b in zip(frames, biases, strict=True))
    low, high = F.relu(settings.eta - u.amin(dim=-1)), F.relu(settings.eta + v.amax(dim=-1))
    spread = u.square().sum(dim=-1) + v.square().sum(dim=-1)
    return (low.square() + high.square() + settings.spread_weight * spread).mean()


def fitted(x: Tensor, settings: GodsSettings) -> tuple[Tensor, Tensor]:
    """Frames [2, d, K] and biases [2, K] that make the objective small: Adam over what QR makes orthonormal."""
    free = torch.randn(2, x.shape[1], settings.hyperplanes, requires_grad=True)
    biases = torch.zeros(2, settings.hyperplanes, requires_grad=True)
    optimizer = torch.optim.Adam([free, biases], lr=RATE)
    for _ in range(settings.iterations):
        optimizer.zero_grad()
        objective(x, torch.linalg.qr(free).Q, biases, settings).backward()
        optimizer.step()
    return torch.linalg.qr(free).Q.detach(), biases.detach()


def build(setting: Setting, settings: GodsSettings) -> Gods:
    """The frames for a bank's pictures, not fitted yet."""
    return Gods(setting.visual_width, settings)
