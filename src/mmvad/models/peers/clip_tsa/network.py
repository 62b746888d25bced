"""CLIP-TSA 2023: RTFM behind a gate that keeps a fraction of the segments, a perturbed and so differentiable top-k."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.clip_tsa.settings import ClipTsaSettings
from mmvad.models.peers.magnitude import (
    MultiScaleTemporal,
    Selected,
    check_width,
    head,
    magnitude_losses,
    select,
    with_total,
    xavier,
)
from mmvad.models.setting import Setting

WIDEST, HIDDEN = 512, 1024
MOST_KEPT = 1000


class PerturbedTopK(torch.autograd.Function):
    """w_t = mean_j 1[t in top-kappa(c + sigma E_j)], with the gradient of its expectation in place of none."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, kept: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """scores c [R, L], kept kappa int64 [R], noise E [J, R, L] -> w [R, L]."""
        chosen = highest(scores + sigma * noise, kept)
        ctx.save_for_backward(chosen, noise)
        ctx.sigma = sigma
        return chosen.float().mean(dim=0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """dw_t / dc_u = 1 / (J sigma) sum_j 1[t in top-kappa_j] E_{j,u}."""
        chosen, noise = ctx.saved_tensors
        along = (gradient * chosen).sum(dim=-1, keepdim=True)
        return (along * noise).mean(dim=0) / ctx.sigma, None, None, None


def highest(scores: Tensor, kept: Tensor) -> Tensor:
    """Which are among the `kept` highest of a row, the earlier of equals first: [..., R, L], int64 [R] -> bool."""
    ranks = scores.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return ranks < kept[:, None]


class Gate(nn.Module):
    """w in 0..1 for every segment, with sum kappa = max(1, min(1000, floor(rho n))). [R, L, d] -> [R, L].

    In training the mean of noisy choices; at test, where the public code leaves the noise on, the one without noise.
    """

    share: Tensor

    def __init__(self, width: int, settings: ClipTsaSettings) -> None:
        super().__init__()
        self.settings = settings
        self.score = nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, 1), nn.Sigmoid())
        # no number, of which an exporter makes a single one: 0.7 x 20 would be 13
        self.register_buffer("share", torch.tensor(settings.kept, dtype=torch.float64), persistent=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        scores = self.score(x).squeeze(-1).float().masked_fill(~mask, float("-inf"))
        kept = (mask.sum(dim=1).double() * self.share).long().clamp(1, MOST_KEPT)
        if not self.training:
            return highest(scores, kept).float()
        noise = torch.randn(self.settings.samples, *mask.shape, device=x.device) * mask
        return PerturbedTopK.apply(scores, kept, noise, self.settings.noise)


class ClipTsa(Model[Selected]):
    """RTFM on w x. Features wider than 512 first become 512 sigmoids by a layer of 1024."""

    one_graph = True

    def __init__(self, width: int, settings: ClipTsaSettings) -> None:
        super().__init__()
        self.settings = settings
        narrow = min(width, WIDEST)
        wide = [nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, WIDEST), nn.Sigmoid()]
        self.narrow = nn.Sequential(*wide) if width > WIDEST else nn.Identity()
        self.gate = Gate(narrow, settings)
        self.temporal, self.dropout = MultiScaleTemporal(narrow), nn.Dropout(settings.dropout)
        self.head = head(narrow, settings.dropout)
        xavier(self)
        if settings.narrowing == "published":
            for layer in self.narrow.children():
                if isinstance(layer, nn.Linear):
                    layer.reset_parameters()

    def forward(self, batch: Batch) -> Selected:
        x = self.narrow(batch.visual)
        gated = x * self.gate(x, batch.mask).unsqueeze(-1).to(x.dtype)
        features = self.dropout(self.temporal(gated, batch.mask))
        scores = in_float32(self.head, features).squeeze(-1).sigmoid()
        return select(features, scores, batch, self.settings.dropout if self.training else 0.0)

    def losses(self, output: Selected, batch: Batch) -> dict[str, Tensor]:
        return with_total(magnitude_losses(output, batch, self.settings), self.settings)

    def scores(self, output: Selected) -> Scores:
        return Scores(output.scores.float(), None)


def build(setting: Setting, settings: ClipTsaSettings) -> ClipTsa:
    """CLIP-TSA for a bank's pictures. Raises UserError where their width is no multiple of 16."""
    check_width(setting.visual_width, 16)
    return ClipTsa(setting.visual_width, settings)
