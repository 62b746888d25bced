"""C2FPL (Al-Lahham et al. 2024): a small network taught by pseudo labels of segments, which no video label made."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from mmvad.errors import UserError
from mmvad.models.losses.mil import each_cross_entropy
from mmvad.models.losses.pooling import mean_where
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.c2fpl.pseudo_labels import abnormal_videos, moments, normal_moments, stretches
from mmvad.models.peers.c2fpl.settings import C2fplSettings
from mmvad.models.peers.magnitude import xavier
from mmvad.models.setting import Setting

HIDDEN = (512, 32)


class C2fpl(Model[Tensor]):
    """s = sigmoid(Lin Drop(ReLU(Lin Drop(ReLU(Lin x))))), the mean over a video's crops.

    Attributes:
        videos: mean and variance of every training video's norms [V, 2], by which a batch's videos are found again.
        abnormal: which of them count as abnormal, 0 or 1, [V].
        normal: mean and variance of the norms of all normal segments, [2].
    """

    fitted = ("videos", "abnormal")
    videos: Tensor
    abnormal: Tensor
    normal: Tensor

    def __init__(self, width: int, settings: C2fplSettings) -> None:
        super().__init__()
        self.settings, (first, second) = settings, HIDDEN
        drop = nn.Dropout(settings.dropout)
        hidden = [nn.Linear(width, first), nn.ReLU(), drop, nn.Linear(first, second), nn.ReLU(), drop]
        self.layers = nn.Sequential(*hidden, nn.Linear(second, 1))
        self.register_buffer("videos", torch.zeros(0, 2))
        self.register_buffer("abnormal", torch.zeros(0))
        self.register_buffer("normal", torch.tensor([0.0, 1.0]))
        xavier(self)

    def fit_offline(self, batches: Iterable[Batch]) -> None:
        """Finds the abnormal videos and what normal norms are; labels are read for `labels: videos` alone."""
        norms, labels = [], []
        for batch in batches:
            norms.append(squared_norms(batch)[0, batch.mask[0]].double().cpu().numpy())
            labels.append(bool(batch.abnormal[0]))
        if len(norms) < 2:
            raise UserError("data.bank", f"has {len(norms)} training samples", expected="at least two, to be clustered")
        videos = np.array([moments(n) for n in norms])
        weak = self.settings.labels == "videos"
        abnormal = np.array(labels) if weak else abnormal_videos(videos, self.settings.moved)
        self.videos = torch.from_numpy(videos).to(self.videos)
        self.abnormal = torch.from_numpy(abnormal).to(self.abnormal)
        self.normal = torch.tensor(normal_moments(norms, abnormal)).to(self.normal)

    def forward(self, batch: Batch) -> Tensor:
        scores = in_float32(self.layers, batch.visual).squeeze(-1).sigmoid()
        return scores.unflatten(0, (-1, batch.crops)).mean(dim=1)

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """`segments`: the cross-entropy of every segment's score with its pseudo label."""
        each = each_cross_entropy(output, self.pseudo_labels(batch).float())
        loss = mean_where(each, batch.mask[:: batch.crops])
        return {"segments": loss, "total": loss}

    def pseudo_labels(self, batch: Batch) -> Tensor:
        """Which segments count as abnormal: bool [V, L]."""
        norms, mask = squared_norms(batch), batch.mask[:: batch.crops]
        found = stretches(norms, mask, self.normal, self.settings.window)
        if self.settings.labels == "videos":
            return found & batch.abnormal[:: batch.crops, None]
        return found & (self.abnormal[self._places(norms, mask)] > 0)[:, None]

    def _places(self, norms: Tensor, mask: Tensor) -> Tensor:
        """The training video that each is, by mean and variance: int64 [V]."""
        count, norms = mask.sum(dim=1), norms.double()
        mean = (norms * mask).sum(dim=1) / count
        variance = ((norms - mean[:, None]).square() * mask).sum(dim=1) / (count - 1).clamp(min=1)
        known = self.videos.double()
        apart = (torch.stack([mean, variance], dim=1)[:, None] - known).abs() / known.std(dim=0).clamp(min=1e-12)
        return apart.sum(dim=-1).argmin(dim=1)

    def scores(self, output: Tensor) -> Scores:
        return Scores(output, None)


def squared_norms(batch: Batch) -> Tensor:
    """|x|^2 of every segment, the mean over its video's crops: float32 [V, L]."""
    norms = batch.visual.float().square().sum(dim=-1)
    return norms.unflatten(0, (-1, batch.crops)).mean(dim=1)


def build(setting: Setting, settings: C2fplSettings) -> C2fpl:
    """C2FPL for a bank's pictures, with no pseudo labels yet."""
    return C2fpl(setting.visual_width, settings)
