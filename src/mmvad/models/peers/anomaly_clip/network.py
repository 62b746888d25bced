"""AnomalyCLIP (Zanella et al. 2024): directions from what is normal to each anomaly's text, in CLIP's space.

How far a row lies along its class's direction chooses the segments that speak for a video.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.errors import UserError
from mmvad.models.layout import choose_layout
from mmvad.models.losses.pooling import mean_where, ranks
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.anomaly_clip.axial import AxialNetwork, off_grid, on_grid
from mmvad.models.peers.anomaly_clip.settings import AnomalyClipSettings
from mmvad.models.peers.magnitude import MaskedBatchNorm, smoothness, with_total
from mmvad.models.peers.vadclip.network import aligned
from mmvad.models.setting import Setting
from mmvad.models.text_encoder import TextEncoder, tokenize

HIDDEN = -1e6
"""What a segment that is hidden from the choice counts."""


class Directions(nn.Module):
    """t_c: [SOS][learned, its own][name][.][EOS] through the frozen tower, and a learned projection."""

    frozen: Tensor
    end: Tensor

    def __init__(self, encoder: TextEncoder, names: Sequence[str], context: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.context = nn.Parameter(torch.empty(len(names), context, encoder.width).normal_(std=0.02))
        self.projection = nn.Parameter(encoder.tower.text_projection.detach().clone())
        tokens = tokenize([f"{name}." for name in names])
        end = tokens.argmax(dim=-1)
        with torch.no_grad():
            embedded = encoder.embed_tokens(tokens[:, : int(end.max()) + 1])
        self.register_buffer("frozen", embedded, persistent=False)
        self.register_buffer("end", end + context, persistent=False)

    def forward(self) -> Tensor:
        sentences = torch.cat([self.frozen[:, :1], self.context, self.frozen[:, 1:]], dim=1)
        return self.encoder.unprojected(sentences, self.end) @ self.projection


class AnomalyClipOutput(NamedTuple):
    """What the losses work on.

    Attributes:
        logits: z [B, L]; a score is its sigmoid.
        along: S [B, L, C - 1], how far a row lies along each anomaly's direction, batch-normed.
        shown: bool [B, segments], which take part in the choice.
    """

    logits: Tensor
    along: Tensor
    shown: Tensor


class AnomalyClip(Model[AnomalyClipOutput]):
    """S = BN((x - m) . (t_c - m) / |t_c - m|), z = Lin LN(axial(Lin(x - m))), m the mean of all normal rows.

    Attributes:
        centre: m [d], found before training.
    """

    one_graph = True
    centre: Tensor

    def __init__(self, setting: Setting, settings: AnomalyClipSettings) -> None:
        super().__init__()
        assert setting.encoder is not None
        self.settings, width = settings, setting.encoder.output_width
        self.align = aligned(setting.visual_width, width)
        self.directions = Directions(setting.encoder, setting.prompts[1:], settings.context)
        self.norm = MaskedBatchNorm(len(setting.prompts) - 1)
        self.norm.requires_grad_(False)  # it has no gain and no bias
        self.project = nn.Linear(width, settings.width)
        segments = -(-setting.length // settings.places)
        self.temporal = AxialNetwork(settings.width, segments, settings.places)
        self.layer_norm, self.classify = nn.LayerNorm(settings.width), nn.Linear(settings.width, 1)
        self.register_buffer("centre", torch.zeros(setting.visual_width))

    def fit_offline(self, batches: Iterable[Batch]) -> None:
        """Finds the mean of the normal samples' rows. Raises UserError where none is normal."""
        total, count = self.centre.double(), 0
        for batch in batches:
            rows = batch.visual[batch.mask & ~batch.abnormal[:, None]]
            total, count = total + rows.double().sum(dim=0).to(total), count + len(rows)
        if not count:
            raise UserError(
                "data.bank", "no training sample is normal", expected="some, for the mean of what is normal"
            )
        self.centre.copy_(total / count)

    def forward(self, batch: Batch) -> AnomalyClipOutput:
        centre = self.align(self.centre)
        x = self.align(batch.visual) - centre
        layout, mask = choose_layout(batch.mask), on_grid(batch.mask, self.settings.places)
        with torch.autocast(x.device.type, enabled=False):
            directions = F.normalize(self.directions().float() - centre.float(), dim=-1)
            along = layout.padded(self.norm(layout.rows(x.float() @ directions.T), layout))
        grid = on_grid(self.project(x) * batch.mask.unsqueeze(-1), self.settings.places)
        found = off_grid(self.temporal(grid, mask), x.shape[1])
        logits = in_float32(lambda rows: self.classify(self.layer_norm(rows)), found).squeeze(-1)
        hidden = self.settings.hidden if self.training else 0.0
        return AnomalyClipOutput(logits, along, torch.rand(mask.shape[:2], device=x.device) >= hidden)

    def losses(self, output: AnomalyClipOutput, batch: Batch) -> dict[str, Tensor]:
        """`direction_abnormal` + `direction_normal` + `top_abnormal` + `bottom_abnormal` + `top_normal` + weak terms.

        p(c) = sigmoid(z) softmax(S)_c, p(normal) = 1 - sigmoid(z). `direction_`: -S of the own class in the highest
        segments, max_c S in normal videos; `top_`, `bottom_`: -log p of the video's class in its highest, of the
        normal one in an abnormal video's lowest and a normal video's highest. 8e-4 `smooth`, 8e-3 `sparse`.
        """
        abnormal, mask, scores = batch.abnormal[:, None], batch.mask, output.logits.sigmoid()
        own = (output.along * own_class(batch)).sum(dim=-1)
        evidence = torch.where(abnormal, own, output.along.sum(dim=-1))
        highest, lowest = (chosen_rows(sign * evidence, output.shown, mask, self.settings) for sign in (1, -1))
        p_own = (output.along.log_softmax(dim=-1) * own_class(batch)).sum(dim=-1) + F.logsigmoid(output.logits)
        p_normal = F.logsigmoid(-output.logits)
        losses = {
            "direction_abnormal": -mean_where(own, highest & abnormal),
            "direction_normal": mean_where(output.along.amax(dim=-1), mask & ~abnormal),
            "top_abnormal": -mean_where(p_own, highest & abnormal),
            "bottom_abnormal": -mean_where(p_normal, lowest & abnormal),
            "top_normal": -mean_where(p_normal, highest & ~abnormal),
            "smooth": smoothness(scores, mask & abnormal),
            "sparse": mean_where(scores, mask & abnormal),
        }
        return with_total(losses, self.settings)

    def scores(self, output: AnomalyClipOutput) -> Scores:
        scores = output.logits.sigmoid()
        shared = scores.unsqueeze(-1) * output.along.softmax(dim=-1)
        return Scores(scores, torch.cat([1 - scores.unsqueeze(-1), shared], dim=-1))


def own_class(batch: Batch) -> Tensor:
    """1 at a video's anomaly, of several at the first: [B, 1, C - 1]; of a normal video it means nothing."""
    return F.one_hot(batch.labels[:, 1:].argmax(dim=1), batch.labels.shape[1] - 1).unsqueeze(1)


def chosen_rows(evidence: Tensor, shown: Tensor, mask: Tensor, settings: AnomalyClipSettings) -> Tensor:
    """The rows of a video's segments of highest mean evidence, of those that are shown: [B, L] -> bool [B, L]."""
    rows, valid = on_grid(evidence * mask, settings.places), on_grid(mask, settings.places)
    mean = rows.sum(dim=-1).detach() / valid.sum(dim=-1).clamp(min=1)
    mean = mean.masked_fill(~shown, HIDDEN).masked_fill(~valid.any(dim=-1), float("-inf"))
    chosen = (ranks(mean) < settings.picked).unsqueeze(-1) & valid
    return off_grid(chosen, mask.shape[1])


def build(setting: Setting, settings: AnomalyClipSettings) -> AnomalyClip:
    """AnomalyCLIP for a bank's width, L and classes."""
    return AnomalyClip(setting, settings)
