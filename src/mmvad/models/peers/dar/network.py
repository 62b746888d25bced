"""DAR (Liu et al. 2023): a network that sees the whole video makes labels; one that sees the past alone learns them.

A reconstruction: README.md says what is inferred.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.mil import binary_cross_entropy, each_cross_entropy
from mmvad.models.losses.pooling import mean_where, top_mean
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.dar.settings import DarSettings
from mmvad.models.peers.magnitude import with_total
from mmvad.models.peers.pseudo import segment_labels
from mmvad.models.setting import Setting

HEADS, GROWTH = 4, 4


class Encoder(nn.Module):
    """Pre-norm transformer layers. [B, L, d] -> same.

    The first sees valid segments up to 4 away, the next up to 16; with `causal` each sees all that came before.
    """

    def __init__(self, settings: DarSettings, *, causal: bool) -> None:
        super().__init__()
        self.causal, width = causal, settings.width
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, HEADS, 2 * width, settings.dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(settings.layers)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        position = torch.arange(mask.shape[1], device=mask.device)
        back = position[:, None] - position[None, :]
        for level, layer in enumerate(self.layers, start=1):
            x = layer(x, src_mask=back < 0 if self.causal else unseen(back.abs() > GROWTH**level, mask))
        return x


def unseen(far: Tensor, mask: Tensor) -> Tensor:
    """What attention leaves out: segments apart, bool [L, L], and padding, never a segment itself. [B heads, L, L]."""
    itself = torch.eye(len(far), dtype=torch.bool, device=far.device)
    return ((far | ~mask[:, None]) & ~itself).repeat_interleave(HEADS, dim=0)


class DarOutput(NamedTuple):
    """Logits [B, L] of the proposals and of the online part; rows and what was foreseen of them, [B, L, d]."""

    proposals: Tensor
    online: Tensor
    rows: Tensor
    foreseen: Tensor


class Dar(Model[DarOutput]):
    """The temporal proposal producer, and the online anomaly localiser, which is scored."""

    def __init__(self, width: int, settings: DarSettings) -> None:
        super().__init__()
        self.settings, inner = settings, settings.width
        self.narrow = nn.Linear(width, inner)
        self.whole, self.past = Encoder(settings, causal=False), Encoder(settings, causal=True)
        self.propose = nn.Linear(inner, 1)
        self.foresee = nn.Sequential(nn.Linear(inner, inner), nn.GELU(), nn.Linear(inner, inner))
        self.locate = nn.Linear(2 * inner, 1)

    def forward(self, batch: Batch) -> DarOutput:
        rows = self.narrow(batch.visual)
        past = self.past(rows, batch.mask)
        foreseen = self.foresee(past)
        online = in_float32(self.locate, torch.cat([past, foreseen], dim=-1)).squeeze(-1)
        proposals = in_float32(self.propose, self.whole(rows, batch.mask)).squeeze(-1)
        return DarOutput(proposals, online, rows, foreseen)

    def losses(self, output: DarOutput, batch: Batch) -> dict[str, Tensor]:
        """`bag` bce(TK(s), y) of the proposals + `online`, cross-entropy with their labels + 0.1 `foresee`."""
        proposals = output.proposals.float().sigmoid()
        labels = segment_labels(proposals.detach(), batch)
        coming, there = following(output.rows.detach().float(), batch.mask, self.settings.ahead)
        terms = {
            "bag": binary_cross_entropy(top_mean(proposals, batch.mask), batch.abnormal.float()),
            "online": mean_where(each_cross_entropy(output.online.float().sigmoid(), labels), batch.mask),
            "foresee": mean_where((output.foreseen.float() - coming).square().mean(dim=-1), there),
        }
        return with_total(terms, self.settings)

    def scores(self, output: DarOutput) -> Scores:
        return Scores(output.online.float().sigmoid(), None)


def following(x: Tensor, mask: Tensor, ahead: int) -> tuple[Tensor, Tensor]:
    """Each segment's mean of the valid ones among the `ahead` after it, [B, L, d]; is there one, bool [B, L]."""
    valid = mask.unsqueeze(-1).to(x.dtype)
    kernel = torch.cat([torch.zeros(1, device=x.device), torch.ones(ahead, device=x.device)]).view(1, 1, -1)
    sums, counts = (
        F.conv1d(F.pad(part.transpose(1, 2).flatten(0, 1).unsqueeze(1), (0, ahead)), kernel)
        .view(len(x), -1, mask.shape[1])
        .transpose(1, 2)
        for part in (x * valid, valid)
    )
    return sums / counts.clamp(min=1), mask & (counts.squeeze(-1) > 0.5)


def build(setting: Setting, settings: DarSettings) -> Dar:
    """DAR for a bank's pictures."""
    return Dar(setting.visual_width, settings)
