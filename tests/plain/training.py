"""A training step as the field's public code has it: in torch, on padded batches, with Python loops over videos.

Sentences of 77 tokens, tokenised in every step and encoded in full; attention under an L x L mask; every layer over
padding too; graphs, masks and kernels built anew in every step; losses by a loop over videos. The bench times it, and
the tests hold the product's losses and gradients against it. Weights are those of the model it is given.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from open_clip.transformer import QuickGELU as ClipQuickGELU
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.dual_stream import DualStream, Output
from mmvad.models.dual_stream_model import DualStreamModel
from mmvad.models.graph_convolution import GraphConvolution
from mmvad.models.model import Batch
from mmvad.models.prompts import anomaly_vector
from mmvad.models.temporal import AttentionLayer, GraphBranches
from tests.plain.network import tokenizer

CONTEXT_LENGTH = 77


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def ffn(module: Any, x: Tensor) -> Tensor:
    return module[2](quick_gelu(module[0](x)))


class PlainModel:
    """The plain form of a dual-stream model: shares its weights, has a tower of its own with open_clip's activation."""

    def __init__(self, model: DualStreamModel, names: list[str]) -> None:
        self.network: DualStream = model.network
        self.settings, self.names = model.settings, names
        self.tower: Any = None
        if self.network.fine is not None:
            self.tower = copy.deepcopy(self.network.fine.encoder.tower)
            for block in self.tower.transformer.resblocks:
                block.mlp.gelu = ClipQuickGELU()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return losses(self.forward(batch), batch, self.settings)

    def forward(self, batch: Batch) -> Output:
        net = self.network
        visual = temporal(net, net.dropout(net.align(batch.visual)), batch.mask)
        features = visual if net.fusion is None else fuse(net.fusion, visual, batch)
        logits = net.classifier(net.dropout(ffn(net.ffn, features) + features)).squeeze(-1)
        alignment, text = self.fine(features, logits, batch.mask) if net.fine is not None else (None, None)
        return Output(features, logits, alignment, text)

    def fine(self, features: Tensor, logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        fine: Any = self.network.fine
        w = fine.dropout(anomaly_vector(features, logits, mask, fine.weighting))
        shift = None
        if fine.context is not None:
            c = fine.context
            shift = c.scale * c.project(ffn(c.ffn, c.norm(w)) + w)
        encoded = self.encode(fine.sentences.vectors, shift)
        text = encoded
        if fine.visual_prompt is not None:
            text = F.normalize(text, dim=-1)
            text = text + ffn(fine.visual_prompt.ffn, fine.visual_prompt.norm(w.unsqueeze(1) + text))
        unit = F.normalize(features, dim=-1)
        return unit @ F.normalize(text, dim=-1).transpose(1, 2) / fine.temperature, encoded

    def encode(self, vectors: Tensor, shift: Tensor | None) -> Tensor:
        """[1 or B, C, d], all classes of all videos, 77 tokens each."""
        tokens, places = full_sentences(self.names, len(vectors) // 2)
        tokens = tokens.to(vectors.device)
        videos = 1 if shift is None else len(shift)
        rows = self.tower.token_embedding(tokens).repeat(videos, 1, 1, 1)
        for c in range(len(self.names)):
            for position, place in enumerate(places[c]):
                if place is not None:
                    rows[:, c, position] = vectors[place] if shift is None else vectors[place] + shift
        x = rows.flatten(0, 1) + self.tower.positional_embedding
        x = self.tower.ln_final(self.tower.transformer(x, attn_mask=self.tower.attn_mask))
        end = tokens.argmax(dim=-1).repeat(videos)
        return (x[torch.arange(len(x), device=x.device), end] @ self.tower.text_projection).unflatten(0, (videos, -1))


def full_sentences(names: list[str], half: int) -> tuple[Tensor, list[list[int | None]]]:
    """Tokens [C, 77] of [SOS][v][name][v][EOS] and padding, and the learned vector that stands at each place."""
    placeholder = " ".join(["x"] * half)
    tokens = tokenizer()([f"{placeholder} {name} {placeholder}" for name in names])
    places: list[list[int | None]] = []
    for row in tokens:
        end = int(row.argmax())
        words = end - 1 - 2 * half
        places.append([None, *range(half), *[None] * words, *range(half, 2 * half), *[None] * (CONTEXT_LENGTH - end)])
    return tokens, places


def temporal(net: DualStream, x: Tensor, mask: Tensor) -> Tensor:
    unit: Any = net.temporal
    if unit.positions is not None:
        x = x + unit.positions[: x.shape[1]]
    if unit.convolution is not None:
        x = x + unit.convolution.convolution((x * mask.unsqueeze(-1)).transpose(1, 2)).transpose(1, 2).relu()
    for layer in unit.layers:
        x = attention_layer(layer, x, mask)
    return x if unit.graphs is None else x + graphs(unit.graphs, x, mask)


def attention_layer(layer: AttentionLayer, x: Tensor, mask: Tensor) -> Tensor:
    """Attention of all with all, under a mask of windows and padding built here: [B, 1, L, L]."""
    batch, length, width = x.shape
    window = layer.window or length
    stretch = torch.arange(length, device=x.device) // window
    seen = (stretch[:, None] == stretch[None, :]) & mask[:, None, None, :]
    seen = seen | torch.eye(length, dtype=torch.bool, device=x.device)
    q, k, v = (
        part.reshape(batch, length, layer.heads, -1).transpose(1, 2)
        for part in layer.inputs(layer.norm_attention(x)).split(width, dim=-1)
    )
    found = F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).reshape(batch, length, width)
    x = x + layer.output(found)
    return x + ffn(layer.ffn, layer.norm_ffn(x))


def graphs(branches: GraphBranches, x: Tensor, mask: Tensor) -> Tensor:
    found = []
    for layers, adjacency in (
        (branches.similarity, similarity(x, mask)),
        (branches.distance, distance(x, mask)),
    ):
        h = x
        for layer in layers:
            h = branches.dropout(quick_gelu(graph_layer(layer, h, adjacency, mask)))
        found.append(h)
    return branches.output(torch.cat(found, dim=-1))


def similarity(x: Tensor, mask: Tensor) -> Tensor:
    """Cosines of all with all, then video by video the softmax of those above 0.7."""
    norm = x.norm(dim=-1, keepdim=True)
    cosine = x @ x.transpose(1, 2) / (norm @ norm.transpose(1, 2) + 1e-20)
    rows = []
    for b, n in enumerate(mask.sum(dim=1).tolist()):
        own = cosine[b, :n, :n]
        kept = (own > 0.7) | torch.eye(n, dtype=torch.bool, device=x.device)
        own = own.masked_fill(~kept, -math.inf).softmax(dim=-1)
        rest = x.shape[1] - n
        rows.append(F.pad(own, (0, rest, 0, rest)))
    return torch.stack(rows)


def distance(x: Tensor, mask: Tensor) -> Tensor:
    place = torch.arange(x.shape[1], dtype=x.dtype)
    kernel = torch.exp(-torch.cdist(place[:, None], place[:, None], p=1) / math.e)
    return kernel.repeat(len(x), 1, 1).to(x.device) * mask.unsqueeze(1)


def graph_layer(layer: GraphConvolution, x: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
    x = x * mask.unsqueeze(-1)
    skip = layer.residual(x.transpose(1, 2)).transpose(1, 2) if isinstance(layer.residual, nn.Conv1d) else x
    return adjacency @ layer.weight(x) + skip


def fuse(fusion: Any, visual: Tensor, batch: Batch) -> Tensor:
    """The gated fusion."""
    assert batch.audio is not None
    assert batch.has_audio is not None
    audio = fusion.dropout(fusion.norm(fusion.encode(batch.audio)))
    both = torch.cat([visual, audio], dim=-1)
    fused = visual + torch.sigmoid(fusion.gate(both)) * fusion.update(both)
    return torch.where(batch.has_audio[:, None, None], fused, visual)


def losses(output: Output, batch: Batch, settings: Any) -> dict[str, Tensor]:
    """Every loss that is on, and the total, as our `objective`; the fine loss as a cross-entropy."""
    lengths = batch.mask.sum(dim=1).tolist()
    p, abnormal = torch.sigmoid(output.logits), batch.abnormal.tolist()
    mil = torch.stack([p[b, :n].topk(n // 16 + 1)[0].mean() for b, n in enumerate(lengths)])
    found = {}
    if settings.coarse:
        found["coarse"] = F.binary_cross_entropy(mil, batch.abnormal.float())
    if settings.contrast:
        kinds = abnormal if settings.contrast_select == "label" else (mil > 0.5).tolist()
        form = foreground if settings.contrast_pairing == "foreground" else contrast
        found["contrast"] = form(output.features, p.detach(), lengths, kinds)
    if settings.fine and output.alignment is not None:
        found["fine"] = fine(output.alignment, batch.labels, lengths, settings.fine_pooling)
    if settings.embed and output.text is not None:
        found["embed"] = embed(output.text)
    weights = {"contrast": settings.lambda_contrast, "embed": settings.lambda_embed}
    found["total"] = sum((weights.get(name, 1.0) * loss for name, loss in found.items()), 0 * output.logits.sum())
    return found


def fine(alignment: Tensor, labels: Tensor, lengths: list[int], pooling: str) -> Tensor:
    evidence = alignment - alignment[..., :1] if pooling == "margin" else alignment
    rows = []
    for b, n in enumerate(lengths):
        video = evidence[b, :n].topk(n // 16 + 1, dim=0)[0].mean(dim=0)
        rows.append(-(labels[b] / labels[b].sum() * video.log_softmax(dim=-1)).sum())
    return torch.stack(rows).mean()


def embed(text: Tensor) -> Tensor:
    total = torch.zeros((), device=text.device)
    for rows in text:
        unit = rows / rows.norm(dim=-1, keepdim=True)
        for c in range(1, len(rows)):
            total = total + (unit[0] @ unit[c]).abs() / (len(rows) - 1)
    return total / len(text)


def contrast(features: Tensor, p: Tensor, lengths: list[int], kinds: list[bool]) -> Tensor:
    """Queries top-a, positives bot-a by index, negatives top-n and bot-n; and with the kinds exchanged."""
    total = 0 * features.sum()
    if len(set(kinds)) < 2:
        return total
    queries: dict[bool, list[Tensor]] = {True: [], False: []}
    positives: dict[bool, list[Tensor]] = {True: [], False: []}
    negatives: dict[bool, list[Tensor]] = {True: [], False: []}
    unit = F.normalize(features, dim=-1)
    for b, n in enumerate(lengths):
        top, bottom = (p[b, :n].topk(n // 16 + 1, largest=largest)[1] for largest in (True, False))
        apart = top != bottom
        queries[kinds[b]].append(unit[b, top[apart]])
        positives[kinds[b]].append(unit[b, bottom[apart]])
        negatives[not kinds[b]] += [unit[b, top], unit[b, bottom]]
    for kind in (True, False):
        query, positive, negative = (torch.cat(x[kind]) for x in (queries, positives, negatives))
        total = total + against(query, (query * positive).sum(dim=-1), negative)
    return total


def foreground(features: Tensor, p: Tensor, lengths: list[int], kinds: list[bool]) -> Tensor:
    """Queries top-a, positive the other abnormal videos' mean top-a; negatives top-n, and apart from it all bottoms."""
    total = 0 * features.sum()
    if len(set(kinds)) < 2:
        return total
    unit = F.normalize(features, dim=-1)
    chosen = [
        [p[b, :n].topk(n // 16 + 1, largest=largest)[1] for largest in (True, False)] for b, n in enumerate(lengths)
    ]
    tops = [unit[b, top] for b, (top, _) in enumerate(chosen)]
    bottoms = torch.cat([unit[b, bottom] for b, (_, bottom) in enumerate(chosen)])
    normal = torch.cat([top for top, kind in zip(tops, kinds) if not kind])
    abnormal = [b for b, kind in enumerate(kinds) if kind]
    queries, pulls = [], []
    for b in abnormal:
        others = [tops[o].mean(dim=0) for o in abnormal if o != b]
        if others:
            queries.append(tops[b])
            pulls.append(tops[b] @ F.normalize(torch.stack(others).mean(dim=0), dim=-1))
    if not queries:
        return total
    query, pull = torch.cat(queries), torch.cat(pulls)
    return total + against(query, pull, normal) + against(query, pull, bottoms)


def against(query: Tensor, pull: Tensor, negatives: Tensor) -> Tensor:
    """InfoNCE of queries [Q, d] whose cosines with their positives are `pull` [Q]; 0 without a query."""
    if not len(query):
        return query.sum()
    pull = pull.unsqueeze(1) / 0.1
    return (torch.logsumexp(torch.cat([pull, query @ negatives.T / 0.1], dim=1), dim=1) - pull[:, 0]).mean()
