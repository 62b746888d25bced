"""PLOVAD (Xu et al. 2025): attention on a graph of near segments, and class texts of learned prompts."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.dual_stream import cosines
from mmvad.models.losses.mil import binary_cross_entropy
from mmvad.models.losses.pooling import ranks, top_mean
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.magnitude import convolve, with_total
from mmvad.models.peers.plovad.settings import PlovadSettings
from mmvad.models.peers.vadclip.network import ClassTexts, aligned
from mmvad.models.setting import Setting

HEADS, HIDDEN, KERNEL = 4, 128, 5
REACH = 13
"""Farthest neighbour: beyond it exp(-|0.6 (i - j)^2 - 0.2|) is 0 in single precision, and only that is asked of it."""
SLOPE = 0.1
NOTHING = -9e15
"""What a pair without an edge scores: a segment without any edge then reads the mean of all."""


class GraphAttention(nn.Module):
    """Heads side by side of ELU(softmax_j(e_ij) h_j) + Conv_5(x), h = W x, e_ij = LeakyReLU(a h_i + b h_j) on edges.

    [B, L, d], edges bool [B, L, L], mask bool [B, L] -> [B, L, d].
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        each = width // HEADS
        self.weight = nn.Linear(width, width, bias=False)
        self.ends = nn.Parameter(torch.empty(HEADS, 2, each))
        self.residual, self.dropout = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2), nn.Dropout(dropout)
        for parameter, fans in ((self.weight.weight, width + each), (self.ends, 1 + 2 * each)):
            bound = math.sqrt(2 * 6 / fans)  # Xavier's of a single head, with a gain of sqrt 2
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor, edges: Tensor, mask: Tensor) -> Tensor:
        h = self.weight(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        first, second = torch.einsum("bhld,hed->ebhl", h, self.ends)
        scores = F.leaky_relu(first.unsqueeze(-1) + second.unsqueeze(-2), SLOPE).float()
        scores = scores.masked_fill(~edges.unsqueeze(1), NOTHING).masked_fill(~mask[:, None, None], float("-inf"))
        found = F.elu(self.dropout(scores.softmax(dim=-1)).to(h.dtype) @ h)
        return found.transpose(1, 2).flatten(2) + convolve(self.residual, x, mask)


class Temporal(nn.Module):
    """LN(x + Lin u), u the graph attention through sign(u) sqrt|u|, scaled to length 1 along `norm`."""

    def __init__(self, width: int, settings: PlovadSettings) -> None:
        super().__init__()
        self.attention, self.settings = GraphAttention(width, settings.dropout), settings
        self.output, self.layer_norm = nn.Linear(width, width), nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        u = self.attention(x, edges_of(x, mask, self.settings.seen), mask)
        root = u.sign() * u.abs().clamp(min=1e-12).sqrt() * mask.unsqueeze(-1)  # the root of 0 has no gradient
        return self.layer_norm(x + self.output(F.normalize(root, dim=1 if self.settings.norm == "time" else 2)))


def edges_of(x: Tensor, mask: Tensor, seen: float) -> Tensor:
    """Which pairs are at most 13 apart, one of them among the floor(share n) of largest norm: bool [B, L, L]."""
    position = torch.arange(x.shape[1], device=x.device)
    near = (position[:, None] - position[None, :]).abs() <= REACH
    norms = x.detach().float().norm(dim=-1).masked_fill(~mask, -1)
    top = ranks(norms) < (mask.sum(dim=1, keepdim=True).double() * seen).floor()
    return near & (top[:, :, None] | top[:, None, :])


class PlovadOutput(NamedTuple):
    """Logits z [B, L] and the alignment M [B, L, C]."""

    logits: Tensor
    alignment: Tensor


class Plovad(Model[PlovadOutput]):
    """z = Lin GELU Lin v, M_tc = exp(theta) cos(v_t, t_c) with a learned theta."""

    one_graph = True

    def __init__(self, setting: Setting, settings: PlovadSettings) -> None:
        super().__init__()
        assert setting.encoder is not None
        self.settings, width = settings, setting.encoder.output_width
        self.align, self.temporal = aligned(setting.visual_width, width), Temporal(width, settings)
        self.classify = nn.Sequential(nn.Linear(width, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, 1))
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))
        self.texts = ClassTexts(setting.encoder, setting.prompts, settings.prompt_half)

    def forward(self, batch: Batch) -> PlovadOutput:
        v = self.temporal(self.align(batch.visual), batch.mask)
        logits, text = in_float32(self.classify, v).squeeze(-1), self.texts()
        with torch.autocast(v.device.type, enabled=False):
            return PlovadOutput(logits, self.log_scale.exp() * cosines(v.float(), text.float().unsqueeze(0)))

    def losses(self, output: PlovadOutput, batch: Batch) -> dict[str, Tensor]:
        """`bag` + `class`: of the means of the k highest, k = 1 in normal and floor(n / 16) + 1 in abnormal videos."""
        bag = highest_mean(output.logits.sigmoid().unsqueeze(-1), batch).squeeze(-1)
        target = batch.labels / batch.labels.sum(dim=1, keepdim=True)
        classes = highest_mean(output.alignment, batch).log_softmax(dim=-1)
        losses = {
            "bag": binary_cross_entropy(bag, batch.abnormal.float()),
            "class": -(target * classes).sum(dim=-1).mean(),
        }
        return with_total(losses, self.settings)

    def scores(self, output: PlovadOutput) -> Scores:
        return Scores(output.logits.sigmoid(), output.alignment.softmax(dim=-1))


def highest_mean(values: Tensor, batch: Batch) -> Tensor:
    """Mean over an abnormal video's k highest, k = floor(n / 16) + 1; a normal one's highest: [B, L, C] -> [B, C]."""
    highest = values.masked_fill(~batch.mask.unsqueeze(-1), float("-inf")).amax(dim=1)
    return torch.where(batch.abnormal[:, None], top_mean(values, batch.mask), highest)


def build(setting: Setting, settings: PlovadSettings) -> Plovad:
    """PLOVAD for a bank's width and classes."""
    return Plovad(setting, settings)
