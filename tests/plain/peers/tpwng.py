"""TPWNG in its plainest form: one video, its valid segments, loops. Weights are the module's."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from mmvad.models.peers.tpwng.network import TPWNG, SpanAttention
from mmvad.models.peers.tpwng.settings import TpwngSettings
from tests.plain import network as plain
from tests.plain import objectives
from tests.plain.peers.pel4vad import gelu


def class_text(model: TPWNG, name: str) -> Tensor:
    """[SOS][8 learned][name][EOS] by open_clip's own forward over 77 places, with the learned projection."""
    tower, vectors = model.texts.encoder.tower, model.texts.vectors
    words = [token for token in plain.full_sentence(name, 0)[0] if token]
    rest = 77 - len(words) - 8
    tokens = [words[0], *[343] * 8, *words[1:], *[0] * rest]
    table, projection = tower.token_embedding, tower.text_projection
    rows = [vectors[i - 1] if 1 <= i <= 8 else table.weight[token] for i, token in enumerate(tokens)]
    tower.token_embedding = plain._Given(torch.stack(rows)[None])
    tower.text_projection = nn.Parameter(torch.eye(len(projection)))
    try:
        return plain.unit(tower(torch.tensor([tokens]))[0] @ model.texts.projection)
    finally:
        tower.token_embedding, tower.text_projection = table, projection


def adapted_text(model: TPWNG, text: Tensor, x: Tensor) -> Tensor:
    """T_0' [d] of the normal video x [n, d]."""
    weights = torch.softmax(torch.stack([row @ text for row in x]), dim=0)
    query = sum((w * row for w, row in zip(weights, x)), torch.zeros(x.shape[1]))
    hidden = gelu(plain.linear(model.normality.ffn[0], torch.cat([text, query])))
    return plain.unit(plain.linear(model.normality.ffn[2], hidden) + text)


def attention(module: SpanAttention, x: Tensor, t: int, longest: int) -> Tensor:
    """Row t [d] of the attention to [n, d]: every segment and head looks as far back as it says, softly to 256 more."""
    size = x.shape[1] // 4
    query, key, value = plain.linear(module.inputs, x).split(x.shape[1], dim=1)
    reach = longest / (1 + torch.exp(-plain.linear(module.span, x[t])))
    heads = []
    for h in range(4):
        part = slice(h * size, (h + 1) * size)
        weights = []
        for r in range(t + 1):
            share = torch.clamp((256 + reach[h] - (t - r)) / 256, 0, 1)
            weights.append(share * torch.exp(query[t, part] @ key[r, part] / math.sqrt(size)))
        total = sum(weights[1:], weights[0])
        heads.append(sum((w / total * value[r, part] for r, w in enumerate(weights)), torch.zeros(size)))
    return plain.linear(module.output, torch.cat(heads))


def logits(model: TPWNG, x: Tensor, longest: int) -> Tensor:
    """Unit vectors [n, d] -> [n]."""
    for layer in model.scorer:
        read = plain.layer_norm(layer.norm_attention, x)
        x = x + torch.stack([attention(layer.attention, read, t, longest) for t in range(len(x))])
        hidden = gelu(plain.linear(layer.ffn[0], plain.layer_norm(layer.norm_ffn, x)))
        x = x + plain.linear(layer.ffn[2], hidden)
    return plain.linear(model.classifier, plain.layer_norm(model.norm, x))[:, 0]


def stretched(values: list[Tensor]) -> list[Tensor]:
    low, high = min(values, key=objectives.number), max(values, key=objectives.number)
    return [(v - low) / (high - low) if objectives.number(high - low) > 1e-6 else torch.zeros(()) for v in values]


def mean(values: list[Tensor]) -> Tensor:
    return sum(values[1:], values[0]) / len(values) if values else torch.zeros(())


def losses(
    similarity: list[Tensor], adapted: list[Tensor], logits: list[Tensor], labels: Tensor, settings: TpwngSettings
) -> dict[str, Tensor]:
    """All losses, unweighted, of videos whose S [n, C], S_0' [n] and logits [n] are given."""
    names = ("normal", "abnormal", "dilation", "steps", "sparsity", "frames")
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    alpha, theta, scale = settings.alpha, settings.theta, settings.scale
    for s, other, z, row in zip(similarity, adapted, logits, labels):
        has = [c for c, y in enumerate(row) if y]
        missing = [c for c in range(1, len(row)) if c not in has]
        against = max((s[t, c] for t in range(len(s)) for c in missing), key=objectives.number)
        hinge = lambda values: torch.relu(  # noqa: E731
            1 - scale * max(values, key=objectives.number) + scale * against  # noqa: B023
        )
        own = [s[t, has[0]] for t in range(len(s))]
        gamma = [0.0] * len(s)
        if has == [0]:
            found["normal"].append(hinge(own))
        else:
            found["abnormal"].append(hinge(own) + hinge(list(other)))
            wide, narrow = stretched(own), stretched(list(other))
            both = objectives.number(sum(a * b for a, b in zip(wide, narrow)))
            found["dilation"].append(objectives.cosine(wide, narrow) if both else torch.zeros(()))
            found["steps"].append(sum(((a - b) ** 2 for a, b in pairwise(wide)), torch.zeros(())))
            found["sparsity"].append(sum(wide, torch.zeros(())))
            if settings.labels == "contrast":
                wide = stretched([o - sum(s[t, 1:]) / (len(row) - 1) for t, o in enumerate(own)])
            psi = stretched([alpha * (1 - n) + (1 - alpha) * w for w, n in zip(wide, narrow)])
            gamma = [float(objectives.number(p) >= theta) for p in psi]
        eta = torch.sigmoid(z)
        found["frames"].append(mean([-(g * torch.log(e) + (1 - g) * torch.log(1 - e)) for g, e in zip(gamma, eta)]))
    return {name: mean(values) for name, values in found.items()}
