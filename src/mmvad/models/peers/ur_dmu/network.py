"""UR-DMU (Zhou et al. 2023): global and local attention, a normal and an abnormal memory, a Gaussian normal side.

Which memory answers tells normal from abnormal; what the normal memory reads out of normal videos is made Gaussian.
Sound, where there is some, is joined to the picture's features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.convolution import rows_along_time
from mmvad.models.graph_convolution import convolved
from mmvad.models.layout import Layout, choose_layout, in_turn, mix, side_by_side
from mmvad.models.losses.mil import coarse_loss, each_cross_entropy
from mmvad.models.losses.pooling import (
    SEGMENTS_A_PICK,
    mean_rows,
    mean_where,
    pairs_of,
    rows_at,
    top_mean,
    top_positions,
)
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.graphs import normalised_distance
from mmvad.models.peers.ur_dmu.settings import UrDmuSettings
from mmvad.models.setting import Setting
from mmvad.models.temporal import attention

HEADS = 4
SLOTS = 60
MARGIN, FARTHEST = 1.0, 100.0
WEIGHTS = {"bag": 1.0, "memory": 0.1, "triplet": 0.1, "kl": 0.001, "magnitude": 0.0001}
"""Of the losses in the total."""
SUMMED = 200
"""Segments that the public code sums the KL term over, averaging over features; here it is the other way round, and
SUMMED / features makes up for it."""


def distance_of_sum_1(mask: Tensor, along: str) -> Tensor:
    """D': the distance graph exp(-|i - j| / e) with `rows` or `columns` of sum 1 over valid segments: [B, L, L]."""
    rows = normalised_distance(mask)  # of a symmetric graph, so that turning it makes columns of them
    return rows if along == "rows" else rows.transpose(1, 2) * mask[:, None]


def near_graphs(layout: Layout, along: str) -> list[Tensor]:
    """D' of the videos of a batch, one a grid."""
    return [distance_of_sum_1(grid.mask, along) for grid in layout.windows(0)]


class GlobalLocalAttention(nn.Module):
    """Per head [softmax(q k^T / sqrt(d_h)) v ; D' w], D' of `near_graphs`, and a linear layer. Rows [R, d] -> same.

    `inner` is the width of all heads together, d unless given.
    """

    def __init__(self, width: int, dropout: float, inner: int | None = None) -> None:
        super().__init__()
        inner = inner or width
        self.inputs = nn.Linear(width, 4 * inner, bias=False)
        self.output = nn.Sequential(nn.Linear(2 * inner, width), nn.Dropout(dropout))

    def forward(self, x: Tensor, near: Sequence[Tensor], layout: Layout) -> Tensor:
        """All heads share D', so what makes w and what reads D' w are one product: D' (x (W_out W_w)^T)."""
        linear, dropout = cast(tuple[nn.Linear, nn.Dropout], tuple(self.output))
        of_found, of_near = (part.flatten(1) for part in linear.weight.unflatten(1, (HEADS, 2, -1)).unbind(2))
        attends, mixes = self.inputs.weight.split([3 * of_near.shape[1], of_near.shape[1]])
        grids = layout.windows(0)
        found = F.linear(mix(self.attend, F.linear(x, attends), grids), of_found, linear.bias)
        return layout.dropout(convolved(F.linear(x, of_near @ mixes), found, near, grids), dropout)

    def attend(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Queries, keys and values [N, n, 3 inner], keys by mask bool [N, n] -> [N, n, inner]."""
        q, k, v = inputs.unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        return attention(q, k, v, mask[:, None, None]).transpose(1, 2).flatten(2)


class Block(nn.Module):
    """Pre-norm attention, then a feed-forward part as wide as its input, both residual. Rows [R, d] -> [R, d]."""

    def __init__(self, width: int, dropout: float, inner: int | None = None) -> None:
        super().__init__()
        self.norm_attention, self.norm_ffn = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = GlobalLocalAttention(width, dropout, inner)
        self.ffn = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, near: Sequence[Tensor], layout: Layout) -> Tensor:
        x = x + self.attention(self.norm_attention(x), near, layout)
        return x + in_turn(self.ffn, self.norm_ffn(x), layout)


def encoded(embed: nn.Conv1d, blocks: nn.ModuleList, x: Tensor, near: Sequence[Tensor], layout: Layout) -> Tensor:
    """Rows [R, d_in] through ReLU(Conv_3) and the blocks: [R, d]."""
    x = F.relu(rows_along_time(x, embed.weight, embed.bias, layout))
    for block in blocks:
        x = block(x, near, layout)
    return x


class Memory(nn.Module):
    """60 learned rows M: how much they answer, and what is read out of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width)
        self.slots = nn.Parameter(torch.empty(SLOTS, width).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows [R, d] -> score [R], mean of the 4 largest answers; answers sigmoid(x M^T / sqrt(d)) [R, 60]."""
        answers = torch.sigmoid(x @ self.slots.T / math.sqrt(x.shape[-1]))
        return answers.topk(SLOTS // SEGMENTS_A_PICK + 1, dim=-1).values.mean(dim=-1), answers

    def read(self, answers: Tensor, layer: nn.Linear) -> Tensor:
        """Lin(answers M), of the few rows of M first: Lin is linear. [R, 60] -> [R, d]."""
        return F.linear(answers, layer.weight @ self.slots.T, layer.bias)


class UrOutput(NamedTuple):
    """What the memories say of every segment.

    Attributes:
        rows: x [B, L, d].
        abnormal, normal: the memories' scores [B, L] in 0..1 (aA and aN; nA and nN).
        abnormal_latent: mu of the abnormal memory's read-out [B, L, d] (gA', gN').
        normal_latent: mu of the normal memory's read-out [B, L, d]; in training sampled on normal videos (hA', hN').
        mean, log_variance: of the normal memory's read-out [B, L, d].
        logits: [B, L].
    """

    rows: Tensor
    abnormal: Tensor
    normal: Tensor
    abnormal_latent: Tensor
    normal_latent: Tensor
    mean: Tensor
    log_variance: Tensor
    logits: Tensor


class UrDmu(Model[UrOutput]):
    """The network; width is that of picture and sound together."""

    one_graph = True

    def __init__(self, width: int, settings: UrDmuSettings) -> None:
        super().__init__()
        inner = settings.width
        self.embed = nn.Conv1d(width, inner, 3, padding=1)
        self.distance = settings.distance
        self.blocks = nn.ModuleList(Block(inner, settings.dropout) for _ in range(2))
        self.abnormal, self.normal = Memory(inner), Memory(inner)
        self.mean, self.log_variance = nn.Linear(inner, inner), nn.Linear(inner, inner)
        self.classify = nn.Sequential(nn.Linear(2 * inner, inner // 4), nn.ReLU(), nn.Linear(inner // 4, 1))

    def forward(self, batch: Batch) -> UrOutput:
        layout = choose_layout(batch.mask)
        near, x = near_graphs(layout, self.distance), side_by_side(layout, batch.visual, batch.audio)
        x = encoded(self.embed, self.blocks, x, near, layout)
        abnormal, answers = self.abnormal(x)
        latent = self.abnormal.read(answers, self.mean)
        normal, answers = self.normal(x)
        mean, log_variance = (self.normal.read(answers, layer) for layer in (self.mean, self.log_variance))
        normal_latent = mean
        if self.training:
            noise = layout.rows(torch.randn_like(layout.padded(mean))) * torch.exp(log_variance / 2)
            normal_latent = mean + noise * layout.of_videos(~batch.abnormal).unsqueeze(-1)
        logits = in_float32(self.classify, torch.cat([x, latent + normal_latent], dim=-1)).squeeze(-1)
        rows = x, abnormal, normal, latent, normal_latent, mean, log_variance, logits
        return UrOutput(*map(layout.padded, rows))

    def losses(self, output: UrOutput, batch: Batch) -> dict[str, Tensor]:
        output = UrOutput(*(value.float() for value in output))
        losses = {
            "bag": coarse_loss(output.logits.sigmoid(), batch.mask, batch.abnormal),
            "memory": memory_loss(output, batch),
            **separation_losses(output, batch),
            "kl": gaussian_loss(output, batch),
        }
        weights = WEIGHTS | {"kl": WEIGHTS["kl"] * SUMMED / output.mean.shape[-1]}
        losses["total"] = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        return losses

    def scores(self, output: UrOutput) -> Scores:
        return Scores(output.logits.float().sigmoid(), None)


def memory_loss(output: UrOutput, batch: Batch) -> Tensor:
    """B1 + B2 + B3 + B4: bce(TK(aA), 1), bce(TK(1 - nA), 1), mean_t bce(nN, 1), mean_t bce(aN, 0)."""
    normal = batch.mask & ~batch.abnormal[:, None]
    return (
        _cross_entropy(top_mean(output.abnormal, batch.mask), batch.abnormal, 1)
        + _cross_entropy(top_mean(1 - output.normal, batch.mask), batch.abnormal, 1)
        + _cross_entropy(output.normal, normal, 1)
        + _cross_entropy(output.abnormal, normal, 0)
    )


def _cross_entropy(scores: Tensor, chosen: Tensor, target: int) -> Tensor:
    """Mean over the chosen scores; 0 where there is none."""
    return mean_where(each_cross_entropy(scores, torch.full_like(scores, target)), chosen)


def separation_losses(output: UrOutput, batch: Batch) -> dict[str, Tensor]:
    """`triplet` and `magnitude`, over pairs of a normal and an abnormal video, in their order; 0 without a pair.

    P, Q, R are means of rows at the k highest nN, nA and aA: max(0, |P - Q| - |P - R| + 1) of unit vectors, and
    max(0, 100 - |R'| + |P'|) with the latents gA', hN' in the rows' place.
    """
    abnormal, normal, both = pairs_of(batch.abnormal)
    by_normal, taken = top_positions(output.normal, batch.mask)
    by_abnormal, _ = top_positions(output.abnormal, batch.mask)
    p, q = mean_rows(rows_at(output.rows, by_normal), taken)[torch.stack([normal, abnormal])]
    r = mean_rows(rows_at(output.rows, by_abnormal), taken)[abnormal]
    p, q, r = (F.normalize(v, dim=-1) for v in (p, q, r))
    small = mean_rows(rows_at(output.normal_latent, by_normal), taken)[normal].norm(dim=-1)
    large = mean_rows(rows_at(output.abnormal_latent, by_abnormal), taken)[abnormal].norm(dim=-1)
    triplet = F.triplet_margin_loss(p, q, r, margin=MARGIN, reduction="none")
    return {
        "triplet": mean_where(triplet, both),
        "magnitude": mean_where(F.relu(FARTHEST - large + small), both),
    }


def gaussian_loss(output: UrOutput, batch: Batch) -> Tensor:
    """KL of the normal read-out of normal videos from N(0, I): summed over features, mean over segments."""
    mean, log_variance = output.mean, output.log_variance
    each = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=-1)
    chosen = batch.mask & ~batch.abnormal[:, None]
    return each.masked_fill(~chosen, 0).sum() / chosen.sum().clamp(min=1)


def build(setting: Setting, settings: UrDmuSettings) -> UrDmu:
    """UR-DMU on the picture, or on picture and sound."""
    return UrDmu(setting.visual_width + (setting.audio_width or 0), settings)
