"""MSL (Li, Liu & Jiao 2022): the best stretch of an abnormal video against that of a normal one, ever shorter ones.

A reconstruction: README.md says what is inferred.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.mil import binary_cross_entropy
from mmvad.models.losses.pooling import mean_where, pairs_of
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.magnitude import convolve
from mmvad.models.peers.msl.settings import MslSettings
from mmvad.models.setting import Setting

HEADS, KERNEL = 8, 3


class ConvolutionalEncoder(nn.Module):
    """x += MHA(LN x); x += FFN(LN x), with depthwise-separable convolutions over 3 rows for q, k and v."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention, self.norm_ffn = nn.LayerNorm(width), nn.LayerNorm(width)
        self.depthwise = nn.ModuleList(
            nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2, groups=width) for _ in range(3)
        )
        self.pointwise = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.output, self.dropout = nn.Linear(width, width), nn.Dropout(dropout)
        self.ffn = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, n, d], bool [B, n] -> [B, n, d]."""
        x = x + self.dropout(self.attend(self.norm_attention(x), mask))
        return x + self.dropout(self.ffn(self.norm_ffn(x)))

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        convolutions = zip(self.depthwise, self.pointwise, strict=True)
        parts = [point(convolve(depth, x, mask)) for depth, point in convolutions]  # type: ignore[arg-type]
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        return self.output(found.transpose(1, 2).flatten(2))


class MslOutput(NamedTuple):
    """Logits of the segments [B, L], and of the videos [B]."""

    segments: Tensor
    videos: Tensor


class Msl(Model[MslOutput]):
    """The transformer with a class token, a regressor of segments and a classifier of videos.

    Attributes:
        stretch: K, how many consecutive segments stand for a video; it halves from L to 1 in the course of training.
    """

    one_graph = True
    stretch: Tensor

    def __init__(self, width: int, length: int, settings: MslSettings) -> None:
        super().__init__()
        self.length, inner = length, settings.width
        self.narrow = nn.Linear(width, inner)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, inner))
        self.layers = nn.ModuleList(ConvolutionalEncoder(inner, settings.dropout) for _ in range(settings.layers))
        self.norm, self.dropout = nn.LayerNorm(inner), nn.Dropout(settings.dropout)
        self.segment, self.video = nn.Linear(inner, 1), nn.Linear(inner, 1)
        self.register_buffer("stretch", torch.tensor(length), persistent=False)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """K = L, L/2, L/4, .. 1, each for an equal share of the epochs."""
        steps = self.length.bit_length()
        self.stretch.fill_(max(1, self.length >> (epoch * steps // epochs)))

    def forward(self, batch: Batch) -> MslOutput:
        x = torch.cat([self.token.expand(len(batch.mask), -1, -1), self.narrow(batch.visual)], dim=1)
        mask = F.pad(batch.mask, (1, 0), value=True)
        for layer in self.layers:
            x = layer(x, mask)
        x = self.dropout(self.norm(x))
        return MslOutput(in_float32(self.segment, x[:, 1:]).squeeze(-1), in_float32(self.video, x[:, 0]).squeeze(-1))

    def losses(self, output: MslOutput, batch: Batch) -> dict[str, Tensor]:
        """`rank`, mean over pairs of max(0, 1 - M_a + M_n), M the best mean of K in a row; `video`, bce(p, y)."""
        best = best_stretch(output.segments.float().sigmoid(), batch.mask, self.stretch)
        pairs = pairs_of(batch.abnormal)
        rank = mean_where(F.relu(1 - best[pairs.abnormal] + best[pairs.normal]), pairs.taken)
        video = binary_cross_entropy(output.videos.float().sigmoid(), batch.abnormal.float())
        return {"rank": rank, "video": video, "total": rank + video}

    def scores(self, output: MslOutput) -> Scores:
        """s_t p: what the video's own score says no to is damped."""
        return Scores(output.segments.float().sigmoid() * output.videos.float().sigmoid()[:, None], None)


def best_stretch(scores: Tensor, mask: Tensor, stretch: Tensor) -> Tensor:
    """The largest mean of min(K, n) consecutive valid scores: [B, L], bool [B, L], int -> [B]."""
    lengths = mask.sum(dim=1, keepdim=True)
    size = torch.minimum(lengths, stretch)
    sums = F.pad((scores * mask).cumsum(dim=1), (1, 0))
    start = torch.arange(scores.shape[1], device=scores.device)[None]
    ends = sums.gather(1, (start + size).clamp(max=scores.shape[1]))
    means = (ends - sums[:, :-1]) / size
    return means.masked_fill(start + size > lengths, float("-inf")).amax(dim=1)


def build(setting: Setting, settings: MslSettings) -> Msl:
    """MSL for a bank's pictures and L."""
    return Msl(setting.visual_width, setting.length, settings)
