"""PEL4VAD (Pu et al., IEEE TIP 2024): one attention map read globally and in a window, features drawn to concept texts.

The class texts are means over a class's words, `concepts.py`; README.md says what these stand for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.convolution import rows_along_time
from mmvad.models.layout import Layout, choose_layout, mix
from mmvad.models.losses.mil import binary_cross_entropy
from mmvad.models.losses.pooling import top_mean
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.pel4vad.concepts import words_of
from mmvad.models.peers.pel4vad.settings import Pel4VadSettings
from mmvad.models.setting import Setting
from mmvad.models.text_encoder import TextEncoder, tokenize

ATTENTION, EMBEDDING, REACH = 128, 300, 4
"""Width of the attention, width before the scorer, reach of the window to either side in segments."""
DROPOUT = 0.1
SHARPNESS = 10.0
"""Of the weights of foreground and background, and of the wanted similarities."""


class Output(NamedTuple):
    """Logits [B, L] of the scores s, and h [B, L, text width]."""

    logits: Tensor
    features: Tensor


class TwoReaches(nn.Module):
    """LN(x + Lin u), u = al softmax(G) v + (1 - al) softmax(G, |i - j| <= 4) v.

    G = q k^T / sqrt(128) + exp(-|w (i - j)^2 - b|); w, b and al = sigmoid(.) are learned. `norm` says whether u goes
    through sign(u) sqrt|u| and is scaled to length 1 along its `features` (ours) or along `time` (public code).
    """

    def __init__(self, width: int, settings: Pel4VadSettings) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(nn.Linear(width, ATTENTION) for _ in range(3))
        self.output, self.layer_norm = nn.Linear(ATTENTION, width), nn.LayerNorm(width)
        self.distance_weight = nn.Parameter(torch.tensor(settings.distance_weight))
        self.distance_bias = nn.Parameter(torch.tensor(settings.distance_bias))
        self.balance = nn.Parameter(torch.zeros(()))
        self.norm = settings.norm

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Rows [R, d] -> same."""
        inputs = torch.cat([linear(x) for linear in self.inputs], dim=-1)
        return self.layer_norm(x + self.output(mix(self.read, inputs, layout.windows(0))))

    def read(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """q, k and v [N, n, 3 * 128], mask bool [N, n] -> u [N, n, 128]."""
        query, key, value = inputs.chunk(3, dim=-1)
        position = torch.arange(inputs.shape[1], device=inputs.device)
        apart = (position[:, None] - position[None, :]).abs()
        near = torch.exp(-(self.distance_weight * apart**2 - self.distance_bias).abs())
        scores = query @ key.transpose(1, 2) / math.sqrt(ATTENTION) + near
        keys = mask.unsqueeze(1) | (apart == 0)  # a padding row finds itself: no NaN, and no one reads it
        share = torch.sigmoid(self.balance)
        wide, narrow = (
            scores.masked_fill(~allowed, float("-inf")).softmax(dim=-1) for allowed in (keys, keys & (apart <= REACH))
        )
        return self.normed(share * (wide @ value) + (1 - share) * (narrow @ value), mask)

    def normed(self, u: Tensor, mask: Tensor) -> Tensor:
        if self.norm == "none":
            return u
        root = u.sign() * u.abs().clamp(min=1e-12).sqrt()  # the root of 0 has no gradient
        return F.normalize(root * mask.unsqueeze(-1), dim=1 if self.norm == "time" else 2)


class PEL4VAD(Model[Output]):
    """The network with MIL-BCE over TK(s, 1 on normal bags, K16 on abnormal ones) + lambda KD of the concepts."""

    one_graph = True
    texts: Tensor

    def __init__(self, setting: Setting, settings: Pel4VadSettings) -> None:
        super().__init__()
        assert setting.encoder is not None
        self.register_buffer(
            "texts", class_texts(setting.encoder, words_of(setting.prompts, settings.concepts)), persistent=False
        )
        self.attention = TwoReaches(setting.visual_width, settings)
        self.first = nn.Linear(setting.visual_width, setting.encoder.output_width)
        self.second = nn.Linear(setting.encoder.output_width, EMBEDDING)
        self.scorer = nn.Conv1d(EMBEDDING, 1, settings.kernel)
        self.dropout = nn.Dropout(DROPOUT)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(settings.temperature)))
        self.lambda_concepts = settings.lambda_concepts
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv1d):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, batch: Batch) -> Output:
        """h = Drop GELU Lin x, e = Drop GELU Lin h, z_t a causal convolution of e."""
        layout = choose_layout(batch.mask)
        attended = self.attention(layout.rows(batch.visual), layout)
        features = layout.dropout(F.gelu(self.first(attended)), self.dropout)
        embedded = layout.dropout(F.gelu(self.second(features)), self.dropout)
        kernel, bias = self.scorer.parameters()
        scorer = partial(rows_along_time, kernel=kernel, bias=bias, layout=layout, causal=True)
        logits = in_float32(scorer, embedded).squeeze(-1)
        return Output(layout.padded(logits), layout.padded(features))

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        scores = torch.sigmoid(output.logits.float())
        highest = scores.masked_fill(~batch.mask, 0).amax(dim=1)
        bag = torch.where(batch.abnormal, top_mean(scores, batch.mask), highest)
        coarse = binary_cross_entropy(bag, batch.abnormal.float())
        concepts = self.concept_loss(output.features.float(), scores, batch)
        return {"coarse": coarse, "concepts": concepts, "total": coarse + self.lambda_concepts * concepts}

    def concept_loss(self, features: Tensor, scores: Tensor, batch: Batch) -> Tensor:
        """KD = mean_i KL(R_i || Q_i), Q_i = softmax_j cos(item_i, text_j) / T, R_i = softmax_j 10 [label_i = label_j].

        Items of a video are its foreground, with its class (the first in the benchmark's order), and of an abnormal one
        its background with the normal class; j runs over the texts of all items of the batch.
        """
        items = torch.cat([highlighted(features, part, batch.mask) for part in (scores, 1 - scores)])
        kind = batch.labels.argmax(dim=1)  # argmax gives the first
        labels = torch.cat([kind, torch.zeros_like(kind)])
        there = torch.cat([torch.ones_like(batch.abnormal), batch.abnormal])
        wanted = _among(SHARPNESS * (labels[:, None] == labels[None, :]).float(), there)
        cosine = F.normalize(items, dim=-1) @ F.normalize(self.texts[labels].float(), dim=-1).T
        found = _among(cosine / self.log_temperature.exp(), there)
        each = F.kl_div(found, wanted, reduction="none", log_target=True) * (there[:, None] & there[None, :])
        return each.sum() / there.sum()

    def scores(self, output: Output) -> Scores:
        return Scores(torch.sigmoid(output.logits.float()), None)


def _among(values: Tensor, there: Tensor) -> Tensor:
    """Logarithms of the softmax over the columns that are there, bool [J]; finite elsewhere too. [I, J] -> same."""
    return values - values.masked_fill(~there, float("-inf")).logsumexp(dim=1, keepdim=True)


def highlighted(features: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    """The mean of h weighted with exp(10 s) - 1 over valid segments: [B, L, d], [B, L], bool [B, L] -> [B, d]."""
    weights = F.normalize(torch.expm1(SHARPNESS * scores) * mask, p=1, dim=1)
    return torch.einsum("bl,bld->bd", weights, features * mask.unsqueeze(-1))


def class_texts(encoder: TextEncoder, words: Sequence[Sequence[str]]) -> Tensor:
    """The mean feature of every class's words, not normalised: [C, d]."""
    tokens = tokenize([word for row in words for word in row])
    end = tokens.argmax(dim=1)  # EOS is the highest token
    with torch.no_grad():
        features = encoder(encoder.embed_tokens(tokens[:, : int(end.max()) + 1]), end)
    return torch.stack([part.mean(dim=0) for part in features.split([len(row) for row in words])])


def build(setting: Setting, settings: Pel4VadSettings) -> PEL4VAD:
    """PEL4VAD for a bank's width and classes."""
    return PEL4VAD(setting, settings)
