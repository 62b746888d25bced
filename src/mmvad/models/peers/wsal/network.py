"""WSAL (Lv et al. 2021): an abnormal video has a segment that stands out, and a step between segments that does."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.pooling import mean_where, pairs_of
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.magnitude import with_total
from mmvad.models.peers.wsal.settings import WsalSettings
from mmvad.models.setting import Setting

WIDTH, HIDDEN, KERNEL = 512, 128, 5
MARGIN = 1.0


class WsalOutput(NamedTuple):
    """What the two heads say.

    Attributes:
        semantic: s [B, L] in 0..1.
        dynamic: D [B, L - 1] in 0..2, 1 - cos of neighbouring embeddings; 0 where either is padding.
        mask: bool [B, L].
    """

    semantic: Tensor
    dynamic: Tensor
    mask: Tensor


class Wsal(Model[WsalOutput]):
    """h = Conv_5(Drop(ReLU(Lin x))), ends repeated; s = sigmoid(MLP h); D_t = 1 - cos(e_t, e_t+1), e = MLP h."""

    one_graph = True

    def __init__(self, width: int, settings: WsalSettings) -> None:
        super().__init__()
        self.settings = settings
        self.embed = nn.Sequential(nn.Linear(width, WIDTH), nn.ReLU(), nn.Dropout(settings.dropout))
        self.context = nn.Conv1d(WIDTH, WIDTH, KERNEL)
        self.semantic, self.dynamic = (_head(size, settings.dropout) for size in (1, HIDDEN))

    def forward(self, batch: Batch) -> WsalOutput:
        x = repeat_ends(self.embed(batch.visual), batch.mask, KERNEL // 2)
        h = self.context(x.transpose(1, 2)).transpose(1, 2)
        semantic = in_float32(self.semantic, h).squeeze(-1).sigmoid()
        dynamic = in_float32(lambda rows: steps_between(self.dynamic(rows)), h)
        return WsalOutput(semantic, dynamic * batch.mask[:, 1:], batch.mask)

    def losses(self, output: WsalOutput, batch: Batch) -> dict[str, Tensor]:
        """`rank_semantic` + `rank_dynamic` + 8e-5 `sparse` + 8e-5 `smooth`."""
        return with_total(wsal_losses(output, batch), self.settings)

    def scores(self, output: WsalOutput) -> Scores:
        """(dynamic + s) / 3, which ranks as the public code's (dynamic + s) / 2 and lies in 0..1."""
        return Scores((dynamic_score(output) + output.semantic) / 3, None)


def _head(size: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, size))


def repeat_ends(x: Tensor, mask: Tensor, margin: int) -> Tensor:
    """Each video with `margin` more rows at either end, its own first and last one: [B, L, d] -> [B, L + 2 margin, d].

    Behind the last row's copies stand zeros.
    """
    length, position = mask.sum(dim=1)[:, None], torch.arange(mask.shape[1] + margin, device=mask.device)
    last = (x * (position[: mask.shape[1]] == length - 1).unsqueeze(-1)).sum(dim=1, keepdim=True)
    behind = (position >= length) & (position < length + margin)
    rows = F.pad(x * mask.unsqueeze(-1), (0, 0, 0, margin)) + last * behind.unsqueeze(-1)
    return torch.cat([x[:, :1].expand(-1, margin, -1), rows], dim=1)


def steps_between(x: Tensor) -> Tensor:
    """1 - cos of neighbouring rows: [B, L, d] -> [B, L - 1]."""
    return 1 - F.cosine_similarity(x[:, 1:], x[:, :-1], dim=-1)


def dynamic_score(output: WsalOutput) -> Tensor:
    """A segment's mean step to its neighbours, of the first and the last to the one that there is; alone 0: [B, L]."""
    before, after = F.pad(output.dynamic, (1, 0)), F.pad(output.dynamic, (0, 1))
    counted = F.pad(output.mask[:, 1:].int(), (1, 0)) + F.pad(output.mask[:, 1:].int(), (0, 1))
    return (before + after) / counted.clamp(min=1)


def wsal_losses(output: WsalOutput, batch: Batch) -> dict[str, Tensor]:
    """The four terms; the i-th abnormal video stands against the i-th normal one.

    rank_dynamic: max(0, 1 - max D_a + max D_n); rank_semantic: the same of max s - min s; sparse: sum_t s + sum_t D,
    mean over abnormal plus mean over normal videos; smooth: squared steps of s and of D, mean over abnormal videos.
    """
    semantic, dynamic, mask = output.semantic, output.dynamic, batch.mask
    highest = semantic.masked_fill(~mask, 0).amax(dim=1)
    lowest = semantic.masked_fill(~mask, 1).amin(dim=1)
    largest = F.pad(dynamic, (0, 1)).amax(dim=1)  # a video of one segment has no step
    sums = (semantic * mask).sum(dim=1) + dynamic.sum(dim=1)
    jumps = _squared_steps(semantic, mask) + _squared_steps(dynamic, mask[:, 1:])
    return {
        "rank_semantic": ranking(highest - lowest, batch.abnormal),
        "rank_dynamic": ranking(largest, batch.abnormal),
        "sparse": mean_where(sums, batch.abnormal) + mean_where(sums, ~batch.abnormal),
        "smooth": mean_where(jumps, batch.abnormal),
    }


def _squared_steps(values: Tensor, mask: Tensor) -> Tensor:
    return ((values[:, 1:] - values[:, :-1]).square() * mask[:, 1:]).sum(dim=1)


def ranking(best: Tensor, abnormal: Tensor) -> Tensor:
    """Mean over pairs of max(0, 1 - best_a + best_n), in their order: [B], bool [B] -> scalar; 0 without a pair."""
    first, second, taken = pairs_of(abnormal)
    return mean_where(F.relu(MARGIN - best[first] + best[second]), taken)


def build(setting: Setting, settings: WsalSettings) -> Wsal:
    """WSAL for a bank's pictures."""
    return Wsal(setting.visual_width, settings)
