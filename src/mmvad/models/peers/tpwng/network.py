"""TPWNG (Yang et al., CVPR 2024): text-frame similarities become frame labels for a scorer of adaptive spans.

A reconstruction: README.md lists what is inferred, and why four of its settings are ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from mmvad.models.layout import Layout, choose_layout, mix
from mmvad.models.losses.pooling import chosen_first
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.tpwng.settings import TpwngSettings
from mmvad.models.setting import Setting
from mmvad.models.text_encoder import TextEncoder, tokenize

LEARNED, LAYERS, HEADS = 8, 4, 4
"""Learned vectors of a sentence; layers and heads of the scorer."""
MARGIN, SOFTENING = 1.0, 256
"""Of the ranking losses; R of the span's soft edge, in segments."""
FLAT = 1e-6
"""Similarities of a video that differ by less say nothing of its segments."""


class Output(NamedTuple):
    """What the network says; of texts only in training.

    Attributes:
        logits: [B, L], of the scores eta.
        similarity: S_c = x_t T_c, [B, L, C].
        adapted: x_t T_0', [B, L]: with the normal text as a normal video of the batch adapts it.
    """

    logits: Tensor
    similarity: Tensor | None = None
    adapted: Tensor | None = None


class ClassTexts(nn.Module):
    """T_c of [SOS][8 learned][class tokens][EOS], unit vectors [C, d]; the encoder's projection is learned anew."""

    frozen: Tensor
    end: Tensor

    def __init__(self, encoder: TextEncoder, prompts: Sequence[str]) -> None:
        super().__init__()
        self.encoder = encoder
        self.vectors = nn.Parameter(torch.empty(LEARNED, encoder.width).normal_(std=0.01))
        self.projection = nn.Parameter(encoder.tower.text_projection.detach().clone())
        tokens = tokenize(list(prompts))
        end = tokens.argmax(dim=1)  # EOS is the highest token
        with torch.no_grad():
            frozen = encoder.embed_tokens(tokens[:, : int(end.max()) + 1])
        self.register_buffer("frozen", frozen, persistent=False)
        self.register_buffer("end", end + LEARNED, persistent=False)

    def forward(self) -> Tensor:
        learned = self.vectors.expand(len(self.frozen), -1, -1)
        sentences = torch.cat([self.frozen[:, :1], learned, self.frozen[:, 1:]], dim=1)
        weights: dict[str, Tensor] = {"tower.text_projection": self.projection}
        return F.normalize(functional_call(self.encoder, weights, (sentences, self.end)).float(), dim=-1)


class NormalityPrompt(nn.Module):
    """T_0' = FFN [T_0; Q] + T_0, Q = softmax_t(x_t T_0)^T x of a normal video."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ffn = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, text: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """T_0 [d], normal videos [B, L, d] and their mask -> unit vectors [B, d]."""
        weights = (x @ text).masked_fill(~mask, float("-inf")).softmax(dim=1)
        query = torch.einsum("bl,bld->bd", weights, x)
        text = text.expand_as(query)
        return F.normalize(self.ffn(torch.cat([text, query], dim=-1)) + text, dim=-1)


class SpanAttention(nn.Module):
    """Attention to the past whose reach every segment and head chooses: weight ~ chi(t - r) exp(q_t k_r / sqrt(d_h)).

    chi(h) = clamp((R + z - h) / R, 0, 1), z_t = F sigmoid(Lin x_t) a head, R = 256, F = `longest`.
    """

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.span = nn.Linear(width, HEADS)
        self.longest = longest

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Rows [R, d] -> same."""
        inputs = torch.cat([self.inputs(x), self.span(x)], dim=-1)
        return self.output(mix(self._read, inputs, layout.windows(0)))

    def _read(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """q, k, v and spans [N, n, 3 d + heads] -> [N, n, d]. What lies behind a segment does not reach it: no mask."""
        inputs, span = inputs.split([inputs.shape[-1] - HEADS, HEADS], dim=-1)
        query, key, value = inputs.unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        back = torch.arange(inputs.shape[1], device=inputs.device)
        back = back[:, None] - back[None, :]
        reach = self.longest * torch.sigmoid(span).transpose(1, 2).unsqueeze(-1)
        share = ((SOFTENING + reach - back) / SOFTENING).clamp(0, 1) * (back >= 0)
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(share == 0, float("-inf"))
        weights = share * torch.exp(scores - scores.amax(dim=-1, keepdim=True))
        read = (weights / weights.sum(dim=-1, keepdim=True)) @ value
        return read.transpose(1, 2).flatten(2)


class ScorerLayer(nn.Module):
    """x += attention(LN x); x += FFN(LN x), the FFN d -> 4d -> d with GELU. Rows [R, d] -> same."""

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.norm_attention, self.norm_ffn = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SpanAttention(width, longest)
        self.ffn = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        x = x + self.attention(self.norm_attention(x), layout)
        return x + self.ffn(self.norm_ffn(x))


class TPWNG(Model[Output]):
    """L_n + L_a + L_dil + L_cl + 0.1 L_sp + 0.01 L_sm; L_cl alone trains the scorer, the others the text side."""

    one_graph = True

    def __init__(self, setting: Setting, settings: TpwngSettings) -> None:
        super().__init__()
        assert setting.encoder is not None
        width = setting.encoder.output_width
        self.settings = settings
        same = width == setting.visual_width
        self.align = nn.Identity() if same else nn.Linear(setting.visual_width, width)
        self.texts = ClassTexts(setting.encoder, setting.prompts)
        self.normality = NormalityPrompt(width)
        self.scorer = nn.Sequential(*(ScorerLayer(width, setting.length) for _ in range(LAYERS)))
        self.norm, self.classifier = nn.LayerNorm(width), nn.Linear(width, 1)

    def forward(self, batch: Batch) -> Output:
        """The scorer sees no text, so at test the text side rests."""
        layout = choose_layout(batch.mask)
        hidden = rows = F.normalize(self.align(layout.rows(batch.visual)), dim=-1)
        for layer in self.scorer:
            hidden = layer(hidden, layout)
        logits = layout.padded(in_float32(self.classifier, self.norm(hidden)).squeeze(-1))
        if not self.training:
            return Output(logits)
        texts, x = self.texts().float(), layout.padded(rows).float()
        with torch.autocast(x.device.type, enabled=False):
            return Output(logits, *self.similarities(x, texts, batch))

    def similarities(self, x: Tensor, texts: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """x_t T_c [B, L, C], and x_t T_0' [B, L] with the T_0' of each video's normal partner."""
        adapted = self.normality(texts[0], x, batch.mask)[partners(batch.abnormal)]
        return x @ texts.T, torch.einsum("bld,bd->bl", x, adapted)

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        assert output.similarity is not None
        assert output.adapted is not None
        kind = batch.labels.argmax(dim=1)  # argmax gives the first class of several
        own = output.similarity.gather(2, kind[:, None, None].expand(-1, batch.mask.shape[1], 1)).squeeze(2)
        found = ranking_losses(output.similarity, own, output.adapted, batch, self.settings.scale)
        shown = own if self.settings.labels == "own" else own - output.similarity[:, :, 1:].mean(dim=2)
        own, adapted, shown = (stretched(values, batch.mask) for values in (own, output.adapted, shown))
        found |= shape_losses(own, adapted, batch)
        labels = frame_labels(shown, adapted, batch, self.settings)
        found["frames"] = frame_loss(output.logits.float(), labels, batch.mask)
        weights = {"steps": self.settings.lambda_steps, "sparsity": self.settings.lambda_sparsity}
        return found | {"total": torch.stack([weights.get(name, 1.0) * loss for name, loss in found.items()]).sum()}

    def scores(self, output: Output) -> Scores:
        return Scores(torch.sigmoid(output.logits.float()), None)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The scorer, the text side and the learned vectors, each at its own rate."""
        text_rate = self.settings.text_rate * learning_rate
        vectors, text = self.texts.vectors, [self.texts.projection, *self.normality.parameters()]
        taken = {id(p) for p in (vectors, *text)}
        scorer = [p for p in self.parameters() if p.requires_grad and id(p) not in taken]
        rates = (learning_rate, text_rate, self.settings.vector_rate * text_rate)
        return [{"params": params, "lr": rate} for params, rate in zip((scorer, text, [vectors]), rates, strict=True)]


def partners(abnormal: Tensor) -> Tensor:
    """The row of the normal video beside each video: the i-th abnormal one has the i-th normal one, int64 [B].

    A normal video is its own; with fewer normal ones they serve again, without any an abnormal one is its own too.
    """
    own, normal = torch.arange(len(abnormal), device=abnormal.device), (~abnormal).sum()
    turn = (abnormal.cumsum(dim=0) - 1) % normal.clamp(min=1)
    return torch.where(abnormal & (normal > 0), chosen_first(~abnormal)[turn.clamp(min=0)], own)


def ranking_losses(similarity: Tensor, own: Tensor, adapted: Tensor, batch: Batch, scale: float) -> dict[str, Tensor]:
    """L_n of normal videos and L_a of abnormal ones, means over videos; of similarities times `scale`.

    L_n = max(0, 1 - max_t S_0 + max_{t, c >= 1} S_c); L_a = max(0, 1 - max_t S_own + m) + max(0, 1 - max_t S_0' + m),
    m the highest similarity with a class that the video does not have, the normal one aside.
    """
    wrong = (batch.labels == 0).unsqueeze(1) & batch.mask.unsqueeze(2)
    wrong[:, :, 0] = False
    against = similarity.masked_fill(~wrong, -1).amax(dim=(1, 2))
    best = lambda s: s.masked_fill(~batch.mask, -1).amax(dim=1)  # noqa: E731
    hinge = lambda s: (MARGIN - scale * (best(s) - against)).clamp(min=0)  # noqa: E731
    normal = hinge(own)  # a normal video's own class is the normal one
    return {
        **means_over(~batch.abnormal, normal=normal),
        **means_over(batch.abnormal, abnormal=normal + hinge(adapted)),
    }


def shape_losses(own: Tensor, adapted: Tensor, batch: Batch) -> dict[str, Tensor]:
    """L_dil, L_sp and L_sm on stretched similarities [B, L] of abnormal videos, means over these.

    `dilation`: cos of S_own and S_0' over time; `steps`: sum_t (S_t - S_t+1)^2; `sparsity`: sum_t S_t, both of S_own.
    """
    return means_over(
        batch.abnormal,
        dilation=F.cosine_similarity(own, adapted, dim=1),
        steps=((own[:, 1:] - own[:, :-1]) ** 2 * batch.mask[:, 1:]).sum(dim=1),
        sparsity=own.sum(dim=1),
    )


def means_over(chosen: Tensor, **losses: Tensor) -> dict[str, Tensor]:
    """Of each loss [B] the mean over the chosen videos, bool [B]; 0 without any."""
    return {name: (loss * chosen).sum() / chosen.sum().clamp(min=1) for name, loss in losses.items()}


def stretched(values: Tensor, mask: Tensor) -> Tensor:
    """Each video's values [B, L] scaled to 0..1 over its valid segments; 0 where all are equal, and on padding."""
    low = values.masked_fill(~mask, float("inf")).amin(dim=1, keepdim=True)
    width = values.masked_fill(~mask, float("-inf")).amax(dim=1, keepdim=True) - low
    differs = width > FLAT
    return torch.where(differs & mask, (values - low) / torch.where(differs, width, 1), 0)


def frame_labels(own: Tensor, adapted: Tensor, batch: Batch, settings: TpwngSettings) -> Tensor:
    """gamma = [psi stretched >= theta], psi = alpha (1 - S_0') + (1 - alpha) S_own, both stretched; 0 in normal videos.

    With `labels: contrast`, `own` is stretched (S_own - mean_{c >= 1} S_c).

    Returns: float [B, L], without gradient.
    """
    psi = settings.alpha * (1 - adapted.detach()) + (1 - settings.alpha) * own.detach()
    return ((stretched(psi, batch.mask) >= settings.theta) & batch.abnormal.unsqueeze(1)).float()


def frame_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """L_cl: mean over videos of the mean over valid segments of bce(eta, gamma); all [B, L]."""
    each = F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * mask
    return (each.sum(dim=1) / mask.sum(dim=1)).mean()


def build(setting: Setting, settings: TpwngSettings) -> TPWNG:
    """TPWNG for a bank's width, L and classes."""
    return TPWNG(setting, settings)
