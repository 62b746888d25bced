"""The dual-stream network: a coarse stream that says when, a fine stream that says what (eqs. 1-3, 5-8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.fusion import build_fusion
from mmvad.models.layout import ChooseLayout, Layout, choose_layout
from mmvad.models.model import Batch
from mmvad.models.prompts import ContextPrompt, FeedForward, PromptSentences, VisualPrompt, anomaly_vector
from mmvad.models.temporal import TemporalSettings, TemporalUnit
from mmvad.models.text_encoder import TextEncoder


@dataclass(frozen=True)
class Output:
    """What the network says.

    Attributes:
        features: F, the fused features [B, L, d].
        logits: coarse logits [B, L]; p = sigmoid (eq. 3).
        alignment: the registration map M [B, L, C] (eq. 8); None without T.
        text: the text encoder's outputs before the visual prompt behind it, [B or 1, C, d]; None without T.
    """

    features: Tensor
    logits: Tensor
    alignment: Tensor | None
    text: Tensor | None


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes and options of the network, as `model.*` and `data.*` name them."""

    visual_width: int
    audio_width: int | None
    length: int
    temporal: TemporalSettings
    fusion: str
    acp: str
    weighting: str
    prompt_half: int
    temperature: float
    dropout: float
    width: int = 0
    """of the network; 0: the text encoder's output, without T the picture's features"""


class FineStream(nn.Module):
    """Class prompts through the text encoder, and their registration with every segment (eqs. 5-8)."""

    def __init__(self, width: int, encoder: TextEncoder, prompts: Sequence[str], settings: NetworkSettings) -> None:
        super().__init__()
        self.encoder = encoder
        self.sentences = PromptSentences(encoder, prompts, settings.prompt_half)
        self.context = ContextPrompt(width, encoder.width) if settings.acp in {"pre", "pre_post"} else None
        self.visual_prompt = VisualPrompt(width) if settings.acp in {"post", "pre_post"} else None
        self.weighting, self.temperature = settings.weighting, settings.temperature
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, features: Tensor, logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """F [B, L, d], coarse logits [B, L] -> M [B, L, C], encoder outputs [B or 1, C, d]."""
        visual = self.dropout(anomaly_vector(features, logits, mask, self.weighting))
        encoded = self.sentences.encoded(self.encoder, self.context(visual) if self.context else None)
        text = self.visual_prompt(encoded, visual) if self.visual_prompt else encoded
        with torch.autocast(features.device.type, enabled=False):  # 1 / tau magnifies what bfloat16 rounds away
            cosine = cosines(features.float(), text.float())
        return cosine / self.temperature, encoded


def cosines(features: Tensor, text: Tensor) -> Tensor:
    """Of features [B, L, d] with texts [B or 1, C, d], as in eq. 8: [B, L, C]. No unit features are written."""
    length = torch.linalg.vector_norm(features, dim=-1, keepdim=True).clamp_min(1e-12)
    return features @ F.normalize(text, dim=-1).transpose(1, 2) / length


class DualStream(nn.Module):
    """The whole network. Without a text encoder there is no fine stream; without audio width no fusion."""

    def __init__(
        self,
        settings: NetworkSettings,
        encoder: TextEncoder | None,
        prompts: Sequence[str],
        choose: ChooseLayout = choose_layout,
    ) -> None:
        super().__init__()
        self.choose_layout = choose
        width = encoder.output_width if encoder else settings.width or settings.visual_width
        self.align = nn.Identity() if width == settings.visual_width else nn.Linear(settings.visual_width, width)
        self.temporal = TemporalUnit(width, settings.length, settings.temporal)
        self.fusion = (
            build_fusion(settings.fusion, width, settings.audio_width, settings.dropout)
            if settings.audio_width
            else None
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.ffn = FeedForward(width)
        self.classifier = nn.Linear(width, 1)
        self.fine = FineStream(width, encoder, prompts, settings) if encoder else None

    def forward(self, batch: Batch) -> Output:
        """Scores every segment of every video in the batch; what stands on padding means nothing."""
        layout = self.choose_layout(batch.mask)
        rows = self.fused(batch, layout)
        hidden = layout.dropout(self.ffn(rows) + rows, self.dropout)
        with torch.autocast(hidden.device.type, enabled=False):  # in bfloat16 many frames would tie
            logits = layout.padded(self.classifier(hidden.float()).squeeze(-1))
        features = layout.padded(rows)
        alignment, text = self.fine(features, logits, batch.mask) if self.fine else (None, None)
        return Output(features, logits, alignment, text)

    def fused(self, batch: Batch, layout: Layout) -> Tensor:
        """F of eq. 2 as rows: [R, d]."""
        visual = layout.dropout(self.align(layout.rows(batch.visual)), self.dropout)
        visual = self.temporal(visual, layout)
        if self.fusion is None or batch.audio is None or batch.has_audio is None:
            return visual
        return self.fusion(visual, layout.rows(batch.audio), batch.has_audio, layout)


def branch_scores(output: Output) -> tuple[Tensor, Tensor | None]:
    """Coarse p [B, L] and class probabilities softmax(M) [B, L, C] (None without T), both float32."""
    probabilities = None if output.alignment is None else output.alignment.float().softmax(dim=-1)
    return torch.sigmoid(output.logits.float()), probabilities
