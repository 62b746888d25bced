"""MGFN 2023: the norm as one more channel; attention over the video, then convolutions; norms contrasted."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.convolution import rows_along_time
from mmvad.models.layout import Layout, choose_layout, mix
from mmvad.models.losses.mil import binary_cross_entropy
from mmvad.models.losses.pooling import chosen_first, mean_where, pairs_of
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.magnitude import (
    MaskedBatchNorm,
    Selected,
    bag_scores,
    chosen_features,
    select,
    smoothness,
    with_total,
)
from mmvad.models.peers.mgfn.settings import MgfnSettings
from mmvad.models.setting import Setting
from mmvad.models.temporal import attention

NORM_SHARE = 0.1
KERNEL = 5
STAGES = ((1, 3), (2, 3), (16, 2))
"""Width as a multiple of the first one's, and layers; glance, focus, focus."""


class ChannelNorm(nn.Module):
    """(x - mean) / (std + 1e-5) over channels, with gain and bias. Rows [R, d] -> [R, d]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        variance = x.var(dim=-1, keepdim=True, unbiased=False)
        spread = variance.clamp(min=1e-12).sqrt()  # padding is constant, and a root has no slope at 0
        return (x - x.mean(dim=-1, keepdim=True)) / (spread + 1e-5) * self.gain + self.bias


class Glance(nn.Module):
    """Self-attention over all valid segments, behind a channel norm. Rows [R, d] -> [R, d]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm = heads, ChannelNorm(width)
        self.inputs, self.output = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        return self.output(mix(self._attend, self.inputs(self.norm(x)), layout.windows(0)))

    def _attend(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Queries, keys and values [N, n, 3 d], keys by mask bool [N, n] -> [N, n, d]."""
        q, k, v = inputs.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return attention(q, k, v, mask[:, None, None]).transpose(1, 2).flatten(-2)


class Focus(nn.Module):
    """Depthwise convolution of 5 behind BN and a projection; channel c has the kernel of head c mod heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm = heads, MaskedBatchNorm(width)
        self.input, self.output = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.kernel = nn.Conv1d(heads, heads, KERNEL, padding=KERNEL // 2, groups=heads)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        return self.output(mix(self._near, self.input(self.norm(x, layout)), layout.windows(0)))

    def _near(self, values: Tensor, mask: Tensor) -> Tensor:
        """[N, n, d], zero on padding -> same."""
        by_head = values.unflatten(-1, (-1, self.heads)).permute(0, 2, 3, 1)
        found = self.kernel(by_head.flatten(0, 1)).unflatten(0, by_head.shape[:2])
        return found.permute(0, 3, 1, 2).flatten(-2)


class Layer(nn.Module):
    """x += Conv_3(x); x += Att(x); x += F(x), F of four times the width. Rows [R, d] -> [R, d]."""

    def __init__(self, width: int, attention: nn.Module) -> None:
        super().__init__()
        self.near, self.attention = nn.Conv1d(width, width, 3, padding=1), attention
        wide, back = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.ffn = nn.Sequential(ChannelNorm(width), wide, nn.GELU(), back)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        x = x + rows_along_time(x, self.near.weight, self.near.bias, layout)
        x = x + self.attention(x, layout)
        return x + self.ffn(x)


class Mgfn(Model[Selected]):
    """Feature and norm to 64 channels, 3 glance layers, 3 focus layers of 128 and 2 of 1024, LN, a score."""

    one_graph = True

    def __init__(self, width: int, settings: MgfnSettings) -> None:
        super().__init__()
        self.settings = settings
        widths = [times * settings.width for times, _ in STAGES]
        self.feature = nn.Conv1d(width, widths[0], 3, padding=1)
        self.norm = nn.Conv1d(1, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(
            nn.ModuleList(Layer(d, (Focus if i else Glance)(d, times)) for _ in range(layers))
            for i, (d, (times, layers)) in enumerate(zip(widths, STAGES, strict=True))
        )
        self.widen = nn.ModuleList(nn.Sequential(ChannelNorm(a), nn.Linear(a, b)) for a, b in pairwise(widths))
        self.last, self.score = nn.LayerNorm(widths[-1]), nn.Linear(widths[-1], 1)

    def forward(self, batch: Batch) -> Selected:
        layout = choose_layout(batch.mask)
        x = layout.rows(batch.visual)
        norms = rows_along_time(x.norm(dim=-1, keepdim=True), self.norm.weight, self.norm.bias, layout)
        x = rows_along_time(x, self.feature.weight, self.feature.bias, layout) + NORM_SHARE * norms
        for widen, stage in zip([nn.Identity(), *self.widen], self.levels, strict=True):
            x = widen(x)
            for layer in stage:  # type: ignore[attr-defined]
                x = layer(x, layout)
        features = self.last(x)
        scores = layout.padded(in_float32(self.score, features).squeeze(-1).sigmoid())
        hidden = self.settings.dropout if self.training else 0.0
        return select(layout.padded(features), scores, batch, hidden)

    def losses(self, output: Selected, batch: Batch) -> dict[str, Tensor]:
        """`bag`, `far`, `near` (of both kinds), `smooth` (of all videos) and `sparse` (of the abnormal ones)."""
        abnormal, mask = batch.abnormal[:: batch.crops], batch.mask[:: batch.crops]
        norms, scores = chosen_features(output).abs().sum(dim=-1), output.scores.float()
        terms = {
            "bag": binary_cross_entropy(bag_scores(output), abnormal.float()),
            "far": far_loss(norms, abnormal, self.settings.far_margin),
            "near": near_loss(norms, abnormal) + near_loss(norms, ~abnormal),
            "smooth": smoothness(scores, mask),
            "sparse": (scores * (mask & abnormal[:, None])).norm(),
        }
        return with_total(terms, self.settings)

    def scores(self, output: Selected) -> Scores:
        return Scores(output.scores.float(), None)


def far_loss(norms: Tensor, abnormal: Tensor, margin: float) -> Tensor:
    """mean_i max(0, margin - |g_i^abn - g_i^nor|)^2 over pairs of crop rows.

    Args:
        norms: g [V, N, K], L1 norms of the selected segments.
        abnormal: bool [V].
    """
    pairs = pairs_of(abnormal)
    apart = (norms[pairs.abnormal] - norms[pairs.normal]).norm(dim=-1)
    return mean_where(F.relu(margin - apart).square(), pairs.taken)


def near_loss(norms: Tensor, kind: Tensor) -> Tensor:
    """mean_i |g_i - g_{i + half}|^2 of the videos of one kind, crop by crop; 0 of a single video.

    The public code pairs crops of the same video; the paper contrasts videos.

    Args:
        norms: g [V, N, K].
        kind: bool [V], the videos.
    """
    half, position, rows = kind.sum() // 2, torch.arange(len(kind), device=kind.device), norms[chosen_first(kind)]
    partner = (position + half).clamp(max=len(kind) - 1)
    return mean_where((rows - rows[partner]).square().sum(dim=-1), position < half)


def build(setting: Setting, settings: MgfnSettings) -> Mgfn:
    """MGFN for a bank's pictures."""
    return Mgfn(setting.visual_width, settings)
