"""W-TALC (Paul et al. 2018): class activations, and videos of one class that must look alike where it happens."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.class_activations import class_loss, over_time
from mmvad.models.peers.magnitude import xavier
from mmvad.models.peers.w_talc.settings import WTalcSettings
from mmvad.models.setting import Setting

MARGIN = 0.5


class WTalcOutput(NamedTuple):
    """x [B, L, d] behind the hidden layer, and the classes' logits [B, L, C]."""

    features: Tensor
    logits: Tensor


class WTalc(Model[WTalcOutput]):
    """x = Drop(ReLU(Lin x)), as wide as its input; logits = Lin x. Width is that of picture and sound together."""

    one_graph = True

    def __init__(self, width: int, classes: int, settings: WTalcSettings) -> None:
        super().__init__()
        self.settings = settings
        self.hidden = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(settings.dropout))
        self.classify = nn.Linear(width, classes)
        xavier(self)

    def forward(self, batch: Batch) -> WTalcOutput:
        x = batch.visual if batch.audio is None else torch.cat([batch.visual, batch.audio], dim=-1)
        x = self.hidden(x)
        return WTalcOutput(x, in_float32(self.classify, x))

    def losses(self, output: WTalcOutput, batch: Batch) -> dict[str, Tensor]:
        """lambda `mil` + (1 - lambda) `co_activity`."""
        mil = class_loss(output.logits, batch.mask, batch.labels)
        alike = co_activity(output.features.float(), output.logits, batch.mask, batch.labels)
        share = self.settings.mil_share
        return {"mil": mil, "co_activity": alike, "total": share * mil + (1 - share) * alike}

    def scores(self, output: WTalcOutput) -> Scores:
        return Scores(None, output.logits.softmax(dim=-1))


def co_activity(x: Tensor, logits: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
    """Mean over pairs of videos and anomaly classes that both have of the two hinges; 0 where no pair shares one.

    a = softmax over time of a class's logits; H = sum_t a_t x_t; low L = sum_t (1 - a_t) x_t / (n - 1);
    (max(0, d(H_i, H_j) - d(H_i, L_j) + 0.5) + max(0, d(H_i, H_j) - d(H_j, L_i) + 0.5)) / 2, d = 1 - cos.

    Args:
        x: [B, L, d]; logits: [B, L, C]; mask: bool [B, L]; labels: [B, C], the normal class first.
    """
    shares = over_time(logits, mask)
    rest = (1 - shares) * mask.unsqueeze(-1) / (mask.sum(dim=1) - 1).clamp(min=1)[:, None, None]
    high, low = (F.normalize(torch.einsum("bld,blc->bcd", x, weight), dim=-1) for weight in (shares, rest))
    near = 1 - torch.einsum("icd,jcd->ijc", high, high)
    far = 1 - torch.einsum("icd,jcd->ijc", high, low)
    others = ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    both = labels[:, None] * labels[None, :] * others.unsqueeze(-1)
    both = torch.cat([torch.zeros_like(both[..., :1]), both[..., 1:]], dim=-1)
    return (F.relu(near - far + MARGIN) * both).sum() / both.sum().clamp(min=1)


def build(setting: Setting, settings: WTalcSettings) -> WTalc:
    """W-TALC on the picture, or on picture and sound."""
    return WTalc(setting.visual_width + (setting.audio_width or 0), len(setting.prompts), settings)
