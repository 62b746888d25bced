"""UR-DMU (Zhou et al. 2023): global and local attention, a normal and an abnormal memory, a Gaussian normal side.

Which memory answers tells normal from abnormal; what the normal memory reads out of normal videos is made Gaussian.
Sound, where there is some, is joined to the picture's features.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


class GlobalLocalAttention(nn.Module):
    """Per head [softmax(q k^T / sqrt(d_h)) v ; D' w], D' of `distance_of_sum_1`. [B, L, d] -> same.

    `inner` is the width of all heads together, d unless given.
    """

    def __init__(self, width: int, dropout: float, distance: str = "rows", inner: int | None = None) -> None:
        super().__init__()
        self.distance, inner = distance, inner or width
        self.inputs = nn.Linear(width, 4 * inner, bias=False)
        self.output = nn.Sequential(nn.Linear(2 * inner, width), nn.Dropout(dropout))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v, w = self.inputs(x).unflatten(-1, (4, HEADS, -1)).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        near = distance_of_sum_1(mask, self.distance).to(w.dtype).unsqueeze(1) @ w
        return self.output(torch.cat([found, near], dim=-1).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Pre-norm attention, then a feed-forward part as wide as its input, both residual. [B, L, d] -> [B, L, d]."""

    def __init__(self, width: int, dropout: float, distance: str, inner: int | None = None) -> None:
        super().__init__()
        self.norm_attention, self.norm_ffn = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = GlobalLocalAttention(width, dropout, distance, inner)
        self.ffn = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.attention(self.norm_attention(x), mask)
        return x + self.ffn(self.norm_ffn(x))


class Memory(nn.Module):
    """60 learned rows; how much they answer, and what is read out of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width)
        self.slots = nn.Parameter(torch.empty(SLOTS, width).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, L, d] -> score [B, L], mean of the 4 largest answers sigmoid(x M^T / sqrt(d)); read-out [B, L, d]."""
        answers = torch.sigmoid(x @ self.slots.T / math.sqrt(x.shape[-1]))
        return answers.topk(SLOTS // SEGMENTS_A_PICK + 1, dim=-1).values.mean(dim=-1), answers @ self.slots


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
        self.blocks = nn.ModuleList(Block(inner, settings.dropout, settings.distance) for _ in range(2))
        self.abnormal, self.normal = Memory(inner), Memory(inner)
        self.mean, self.log_variance = nn.Linear(inner, inner), nn.Linear(inner, inner)
        self.classify = nn.Sequential(nn.Linear(2 * inner, inner // 4), nn.ReLU(), nn.Linear(inner // 4, 1))

    def forward(self, batch: Batch) -> UrOutput:
        x = self._encode(batch)
        abnormal, abnormal_read = self.abnormal(x)
        normal, normal_read = self.normal(x)
        latent, mean, log_variance = self.mean(abnormal_read), self.mean(normal_read), self.log_variance(normal_read)
        normal_latent = mean
        if self.training:
            noise = torch.randn_like(mean) * torch.exp(log_variance / 2)
            normal_latent = mean + noise * ~batch.abnormal[:, None, None]
        logits = in_float32(self.classify, torch.cat([x, latent + normal_latent], dim=-1)).squeeze(-1)
        return UrOutput(x, abnormal, normal, latent, normal_latent, mean, log_variance, logits)

    def _encode(self, batch: Batch) -> Tensor:
        x = batch.visual if batch.audio is None else torch.cat([batch.visual, batch.audio], dim=-1)
        x = F.relu(self.embed((x * batch.mask.unsqueeze(-1)).transpose(1, 2))).transpose(1, 2)
        for block in self.blocks:
            x = block(x, batch.mask)
        return x

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
