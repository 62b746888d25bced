"""MSBT (Sun & Gong 2024): modalities pass what they have to say to one another through ever fewer bottleneck tokens."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.mil import binary_cross_entropy
from mmvad.models.losses.pooling import top_mean
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.macil_sd.network import start_alike
from mmvad.models.peers.magnitude import with_total
from mmvad.models.peers.msbt.settings import MsbtSettings
from mmvad.models.setting import Setting

HEADS, INNER_DROPOUT = 4, 0.1
SPREAD, TEMPERATURE = 0.15, 0.5
"""Of the bottleneck tokens at the start; of the contrast."""


class Layer(nn.Module):
    """q, kv <- LN q, LN kv; u = LN1(q + Drop(MHA(q, kv, kv))); LN2(u + Drop(FFN u)): [B, n, d], [B, m, d] -> [B, n, d].

    The four matrices of the attention begin alike, as in the public code, which copies one linear layer.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.norm_attention, self.norm_ffn = (nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, heads, INNER_DROPOUT, batch_first=True)
        self.ffn = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(INNER_DROPOUT), nn.Linear(width, width))
        self.dropout = nn.Dropout(dropout)
        start_alike(self.attention)

    def forward(self, queries: Tensor, source: Tensor, valid: Tensor | None = None) -> Tensor:
        """valid bool [B, m], the source's rows that count; all without it."""
        queries, source = self.norm(queries), self.norm(source)
        unseen = None if valid is None else ~valid
        found, _ = self.attention(queries, source, source, key_padding_mask=unseen, need_weights=False)
        x = self.norm_attention(queries + self.dropout(found))
        return self.norm_ffn(x + self.dropout(self.ffn(x)))


class Bottlenecks(nn.Module):
    """What a modality tells another through 16, 8, .. 1 tokens; one layer a step for both of them.

    A step: the teller's rows and its tokens attend to one another; the listener's rows attend to themselves and those
    tokens; a decoder carries the tokens over to half as many.
    """

    def __init__(self, width: int, count: int, dropout: float) -> None:
        super().__init__()
        counts = [count >> step for step in range(count.bit_length())]
        self.layers = nn.ModuleList(Layer(width, HEADS, dropout) for _ in counts)
        self.decoder = Layer(width, HEADS, dropout)
        self.tokens = nn.ParameterList(SPREAD * torch.randn(1, each, width) for each in counts)

    def forward(self, teller: Tensor, listener: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Two [B, L, d], bool [B, L] -> the listener's rows [B, L, d] and the teller's last token [B, 1, d]."""
        length, told = teller.shape[1], self.tokens[0].expand(len(teller), -1, -1)
        for step, layer in enumerate(self.layers):
            if step:
                told = self.decoder(self.tokens[step].expand(len(teller), -1, -1), told)
            valid = F.pad(mask, (0, told.shape[1]), value=True)
            both = torch.cat([teller, told], dim=1)
            teller, told = layer(both, both, valid).split([length, told.shape[1]], dim=1)
            both = torch.cat([listener, told], dim=1)
            listener = layer(both, both, valid)[:, :length]
        return listener, told


class MsbtOutput(NamedTuple):
    """Logits [B, L], and the fused rows of every ordered pair of modalities, [B, L, d] each."""

    logits: Tensor
    fused: Sequence[Tensor]


class Msbt(Model[MsbtOutput]):
    """Scores of streams of features, two by two. `widths` in the public order: sound, picture (and flow there)."""

    one_graph = True

    def __init__(self, widths: Sequence[int], settings: MsbtSettings) -> None:
        super().__init__()
        self.settings, width, dropout = settings, settings.width, settings.dropout
        self.pairs = [pair for i, j in combinations(range(len(widths)), 2) for pair in ((i, j), (j, i))]
        self.inputs = nn.ModuleList(nn.Linear(each, width) for each in widths)
        self.within, self.among = (Layer(width, HEADS, dropout) for _ in range(2))
        self.fusion = Bottlenecks(width, settings.bottlenecks, dropout)
        joined = width * len(self.pairs)
        first = Layer(joined, len(self.pairs), dropout)
        self.joined = nn.ModuleList(copy.deepcopy(first) for _ in range(settings.layers))
        self.score, self.weigh = head(joined, 512, settings.score_dropout), head(width, 64, 0.3)

    def forward(self, batch: Batch) -> MsbtOutput:
        assert batch.audio is not None
        return self.fuse([batch.audio, batch.visual], batch.mask)

    def fuse(self, streams: Sequence[Tensor], mask: Tensor) -> MsbtOutput:
        """Of streams [B, L, .] the logits and the pairs' rows."""
        rows = [narrow(stream) for narrow, stream in zip(self.inputs, streams, strict=True)]
        rows = [self.within(x, x, mask) for x in rows]
        found = [self.fusion(rows[i], rows[j], mask) for i, j in self.pairs]
        tokens = torch.cat([token for _, token in found], dim=1)
        weights = self.weigh(self.among(tokens, tokens)).sigmoid().unsqueeze(1)  # [B, 1, pairs, 1]
        fused = torch.stack([x for x, _ in found], dim=2)
        x = (weights * fused).flatten(2)
        for layer in self.joined:
            x = layer(x, x, mask)
        return MsbtOutput(in_float32(self.score, x).squeeze(-1), [x for x, _ in found])

    def losses(self, output: MsbtOutput, batch: Batch) -> dict[str, Tensor]:
        """bce(TK(s), y) + 0.1 `contrast`, the mean over pairs of pairs."""
        bag = top_mean(output.logits.float().sigmoid(), batch.mask)
        contrasts = [consistency(x, y, batch.mask) for x, y in combinations(output.fused, 2)]
        terms = {
            "bag": binary_cross_entropy(bag, batch.abnormal.float()),
            "contrast": torch.stack(contrasts).mean(),
        }
        return with_total(terms, self.settings)

    def scores(self, output: MsbtOutput) -> Scores:
        return Scores(output.logits.float().sigmoid(), None)


def head(width: int, hidden: int, dropout: float) -> nn.Sequential:
    """Lin(d > hidden), ReLU, dropout, Lin(hidden > 32), dropout, Lin(32 > 1)."""
    return nn.Sequential(
        nn.Linear(width, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, 32),
        nn.Dropout(dropout),
        nn.Linear(32, 1),
    )


def consistency(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Mean over videos of InfoNCE both ways: a segment's own row of the other, against that video's others (tau 0.5).

    Args: x, y [B, L, d]; mask bool [B, L].
    """
    x, y = (F.normalize(rows.float(), dim=-1) for rows in (x, y))
    cosine = (x @ y.transpose(1, 2)) / TEMPERATURE
    positive, least = cosine.diagonal(dim1=1, dim2=2), torch.finfo(cosine.dtype).min
    total = torch.zeros_like(positive)
    for each in (cosine, cosine.transpose(1, 2)):
        total = total + each.masked_fill(~mask.unsqueeze(1), least).logsumexp(dim=-1) - positive
    return ((total * mask).sum(dim=1) / mask.sum(dim=1)).mean()


def build(setting: Setting, settings: MsbtSettings) -> Msbt:
    """MSBT on sound and picture."""
    assert setting.audio_width is not None
    return Msbt((setting.audio_width, setting.visual_width), settings)
