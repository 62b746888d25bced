"""DSANet (Yin et al. 2026): VadCLIP's visual path, adapted class texts, and what is normal rebuilt and told apart.

An abnormal and a normal part of each video, weighed by its own scores, are aligned with the texts by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.dual_stream import cosines
from mmvad.models.layout import choose_layout
from mmvad.models.losses.embedding import embed_loss
from mmvad.models.losses.mil import coarse_loss, fine_loss
from mmvad.models.losses.pooling import mean_where
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.dsanet.normality import Normality
from mmvad.models.peers.dsanet.settings import DsaNetSettings
from mmvad.models.peers.magnitude import with_total
from mmvad.models.peers.vadclip.network import TEMPERATURE, VisualEncoder, aligned
from mmvad.models.prompts import FeedForward, anomaly_vector
from mmvad.models.setting import Setting
from mmvad.models.text_encoder import TextEncoder, tokenize

SHARPNESS = 10.0
"""Of the weights exp(10 s) - 1 of a video's parts."""
SMOOTHING, OTHERS = 0.1, 0.01
"""Of the parts' targets: label smoothing, and what the anomalies count beside normal in the normal part's."""
REFINER_DECAY = 1e-4
PUBLISHED_NAMES = {"road accidents": "roadaccidents"}


class DsaOutput(NamedTuple):
    """What the losses work on.

    Attributes:
        logits: coarse logits z [B, L].
        alignment: M [B, L, C].
        abnormal, normal: of a video's abnormal and normal part with each class, cosines / 0.07: [B, C].
        text: t [C, d], of norm 1.
        rebuilt: (1 - cos(v, v rebuilt)) / 2, [B, L].
        gathered: mean distance of normal segments to the nearest pattern, scalar.
    """

    logits: Tensor
    alignment: Tensor
    abnormal: Tensor
    normal: Tensor
    text: Tensor
    rebuilt: Tensor
    gathered: Tensor


class AdaptedTexts(nn.Module):
    """t_c: the class's name through the frozen tower, whose first blocks have an adapter, and a projection of its own.

    x <- (1 - w) x + w |x| A(x) / |A(x)|, A = LeakyReLU(Lin x); t = LeakyReLU(Lin x) at EOS, scaled to norm 1: [C, d].
    """

    frozen: Tensor
    end: Tensor

    def __init__(self, encoder: TextEncoder, prompts: Sequence[str], settings: DsaNetSettings, width: int) -> None:
        super().__init__()
        self.encoder, self.share = encoder, settings.adapter_share
        blocks = min(settings.adapted_blocks, len(encoder.tower.transformer.resblocks))
        self.adapters = nn.ModuleList(nn.Linear(encoder.width, encoder.width, bias=False) for _ in range(blocks))
        self.project = nn.Linear(encoder.width, width, bias=False)
        for layer in (*self.adapters, self.project):
            nn.init.xavier_uniform_(layer.weight)
        tokens = tokenize(list(prompts))
        end = tokens.argmax(dim=-1)
        with torch.no_grad():
            self.register_buffer("frozen", encoder.embed_tokens(tokens[:, : int(end.max()) + 1]), persistent=False)
        self.register_buffer("end", end, persistent=False)

    def forward(self) -> Tensor:
        found = self.encoder.unprojected(self.frozen, self.end, self._adapted)
        return F.normalize(F.leaky_relu(self.project(found)), dim=-1)

    def _adapted(self, block: int, x: Tensor) -> Tensor:
        if block >= len(self.adapters):
            return x
        adapted = F.leaky_relu(self.adapters[block](x))
        adapted = adapted * x.norm(dim=-1, keepdim=True) / (adapted.norm(dim=-1, keepdim=True) + 1e-6)
        return self.share * adapted + (1 - self.share) * x


class DsaNet(Model[DsaOutput]):
    """z = Lin(v + FFN v); M_tc = cos(v_t, t'_c) / 0.07, t' = t + w + FFN'(t + w), w = normalise(sum_t z_t v_t)."""

    one_graph = True

    def __init__(self, setting: Setting, settings: DsaNetSettings) -> None:
        super().__init__()
        assert setting.encoder is not None
        self.settings, width = settings, setting.encoder.output_width
        self.align = aligned(setting.visual_width, width)
        self.visual = VisualEncoder(width, setting.length, settings.layers, settings.window)
        self.prompt_ffn, self.ffn = FeedForward(width), FeedForward(width)
        self.classifier = nn.Linear(width, 1)
        published = PUBLISHED_NAMES if settings.class_names == "published" else {}
        prompts = [published.get(prompt, prompt) for prompt in setting.prompts]
        self.texts = AdaptedTexts(setting.encoder, prompts, settings, width)
        self.normality = Normality(width, settings.prototypes, settings.decoder_layers, settings.normal_share)

    def forward(self, batch: Batch) -> DsaOutput:
        layout, mask, text = choose_layout(batch.mask), batch.mask, self.texts()
        rows = self.visual(self.align(layout.rows(batch.visual)), layout)
        logits = layout.padded(in_float32(self.classifier, rows + self.ffn(rows)).squeeze(-1))
        v = layout.padded(rows)
        prompted = text + anomaly_vector(v, logits, mask, "logit").unsqueeze(1)
        prompted = prompted + self.prompt_ffn(prompted)
        scores = logits.sigmoid()
        rebuilt, gathered = self.normality(v, scores, mask)
        with torch.autocast(v.device.type, enabled=False):
            v, text = v.float(), text.float()
            parts = torch.stack([part_of(v, s, mask) for s in (scores, 1 - scores)], dim=1)
            abnormal, normal = (cosines(parts, text.unsqueeze(0)) / TEMPERATURE).unbind(dim=1)
            apart = (1 - F.cosine_similarity(v, rebuilt.float(), dim=-1)) / 2
            return DsaOutput(
                logits, cosines(v, prompted.float()) / TEMPERATURE, abnormal, normal, text, apart, gathered
            )

    def losses(self, output: DsaOutput, batch: Batch) -> dict[str, Tensor]:
        """`coarse` + w `class` + `embed` + `abnormal` + `normal` + `consistency` + `gather`."""
        normal_target = torch.cat(
            [torch.ones_like(batch.labels[:, :1]), torch.full_like(batch.labels[:, 1:], OTHERS)], 1
        )
        agreement = (output.logits.sigmoid() - output.rebuilt).square()
        losses = {
            "coarse": coarse_loss(output.logits.sigmoid(), batch.mask, batch.abnormal),
            "class": fine_loss(output.alignment, batch.mask, batch.labels, "cross_entropy", "class"),
            "embed": embed_loss(output.text.unsqueeze(0), "abs", "mean"),
            "abnormal": smoothed_cross_entropy(output.abnormal, batch.labels),
            "normal": smoothed_cross_entropy(output.normal, normal_target),
            "consistency": mean_where(agreement, batch.mask),
            "gather": output.gathered,
        }
        return with_total(losses, self.settings)

    def scores(self, output: DsaOutput) -> Scores:
        """p = sigmoid(z); classes 1 - sigmoid(z / T) and sigmoid(z / T) shared out by softmax(M / T) of anomalies."""
        raised = (output.logits / self.settings.temperature).sigmoid().unsqueeze(-1)
        shared = (output.alignment[..., 1:] / self.settings.temperature).softmax(dim=-1)
        return Scores(output.logits.sigmoid(), torch.cat([1 - raised, raised * shared], dim=-1))

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The normality branch's weights decay by a rate of their own."""
        refiner = list(self.normality.parameters())
        own = {id(p) for p in refiner}
        others = [p for p in self.parameters() if p.requires_grad and id(p) not in own]
        common = {"lr": learning_rate}
        return [{"params": others, **common}, {"params": refiner, "weight_decay": REFINER_DECAY, **common}]


def part_of(features: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    """Mean segment weighed by exp(10 s) - 1: v [B, L, d], s [B, L], bool [B, L] -> [B, d]."""
    weights = ((SHARPNESS * scores).exp() - 1) * mask
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return torch.einsum("bl,bld->bd", weights, features)


def smoothed_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Of softmax(logits) with the labels scaled to sum 1, of which a tenth goes to all classes alike: [B, C] both."""
    target = (1 - SMOOTHING) * labels / labels.sum(dim=1, keepdim=True) + SMOOTHING / labels.shape[1]
    return -(target * logits.log_softmax(dim=-1)).sum(dim=-1).mean()


def build(setting: Setting, settings: DsaNetSettings) -> DsaNet:
    """DSANet for a bank's width, L and classes."""
    return DsaNet(setting, settings)
