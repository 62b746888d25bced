"""OVVAD (Wu et al., CVPR 2024): nearly without weights of its own along time, it asks texts what a segment may be.

A reconstruction of its first stage: README.md says what is inferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.mil import coarse_loss
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.graphs import normalised_distance
from mmvad.models.peers.magnitude import with_total
from mmvad.models.peers.ovvad.settings import OvvadSettings
from mmvad.models.peers.vadclip.network import TEMPERATURE, ClassTexts, aligned
from mmvad.models.prompts import FeedForward
from mmvad.models.setting import Setting
from mmvad.models.text_encoder import TextEncoder, tokenize


class OvvadOutput(NamedTuple):
    """Logits [B, L], cos(x_t, t_c) / 0.07 [B, L, C], and the videos' own cos(x, t_c) / 0.07 [B, C]; float32."""

    logits: Tensor
    segments: Tensor
    videos: Tensor


class Ovvad(Model[OvvadOutput]):
    """Temporal adapter, semantic knowledge injection, detector, and alignment with class texts.

    Attributes:
        knowledge: unit features of the bank's texts, [l, d].
    """

    one_graph = True
    knowledge: Tensor

    def __init__(self, setting: Setting, settings: OvvadSettings) -> None:
        super().__init__()
        assert setting.encoder is not None  # the configuration lets no modalities without T through
        width = setting.encoder.output_width
        self.settings = settings
        self.align, self.norm = aligned(setting.visual_width, width), nn.LayerNorm(width)
        self.ffn, self.classifier = FeedForward(2 * width), nn.Linear(2 * width, 1)
        self.texts = ClassTexts(setting.encoder, setting.prompts, settings.prompt_half)
        self.register_buffer("knowledge", text_features(setting.encoder, setting.prompts), persistent=False)

    def forward(self, batch: Batch) -> OvvadOutput:
        """x = LN(D V), D the distance graph, rows of sum 1; k = sigmoid(x F^T) F / l; z = Lin([x; k] + FFN [x; k])."""
        visual = self.align(batch.visual)
        x = self.norm(normalised_distance(batch.mask).to(visual.dtype) @ visual)
        known = torch.sigmoid(x @ self.knowledge.T) @ self.knowledge / len(self.knowledge)
        both = torch.cat([x, known], dim=-1)
        logits = in_float32(self.classifier, both + self.ffn(both)).squeeze(-1)
        text = self.texts()
        with torch.autocast(x.device.type, enabled=False):
            weights = logits.masked_fill(~batch.mask, float("-inf")).softmax(dim=1)
            video = torch.einsum("bl,bld->bd", weights, x.float())
            unit = F.normalize(text.float(), dim=-1)
            segments, videos = (F.normalize(rows, dim=-1) @ unit.T / TEMPERATURE for rows in (x.float(), video))
        return OvvadOutput(logits, segments, videos)

    def losses(self, output: OvvadOutput, batch: Batch) -> dict[str, Tensor]:
        """`coarse` bce(TK(s), y) + `fine`, cross-entropy of the video's classes with its labels scaled to sum 1."""
        target = batch.labels / batch.labels.sum(dim=1, keepdim=True)
        fine = -(target * output.videos.log_softmax(dim=-1)).sum(dim=-1).mean()
        coarse = coarse_loss(output.logits.sigmoid(), batch.mask, batch.abnormal)
        return with_total({"coarse": coarse, "fine": fine}, self.settings)

    def scores(self, output: OvvadOutput) -> Scores:
        return Scores(output.logits.sigmoid(), output.segments.softmax(dim=-1))


@torch.no_grad()
def text_features(encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """Unit features of texts, [l, d]."""
    tokens = tokenize(list(texts))
    end = tokens.argmax(dim=1)  # EOS is the highest token
    return F.normalize(encoder(encoder.embed_tokens(tokens[:, : int(end.max()) + 1]), end).float(), dim=-1)


def build(setting: Setting, settings: OvvadSettings) -> Ovvad:
    """OVVAD for a bank's width and classes."""
    return Ovvad(setting, settings)
