"""DSANet in its plainest form: one video's n valid segments, one head, prototype and class at a time."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmvad.models.peers.dsanet.network import AdaptedTexts, DsaNet
from mmvad.models.peers.dsanet.normality import Block, Normality
from mmvad.models.text_encoder import tokenize
from tests.plain.network import ffn, layer_norm, linear, unit, weighted_vector
from tests.plain.objectives import cosine, number
from tests.plain.peers.ur_dmu import gelu
from tests.plain.peers.vadclip import visual_encoder


class Video(NamedTuple):
    logits: Tensor
    alignment: Tensor
    abnormal: Tensor
    normal: Tensor
    rebuilt: Tensor
    gathered: list[Tensor]


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.01 * x)


def texts(module: AdaptedTexts, prompts: list[str]) -> Tensor:
    """Sentence by sentence through the tower's own blocks, at its full length: [C, d]."""
    tower, rows = module.encoder.tower, []
    for prompt in prompts:
        tokens = tokenize([prompt])[0]
        x = (tower.token_embedding(tokens) + tower.positional_embedding)[None]
        for i, block in enumerate(tower.transformer.resblocks):
            x = block(x, attn_mask=tower.attn_mask)
            if i < len(module.adapters):
                a = leaky(linear(module.adapters[i], x))
                a = torch.stack([row * old.norm() / (row.norm() + 1e-6) for row, old in zip(a[0], x[0])])[None]
                x = module.share * a + (1 - module.share) * x
        found = leaky(linear(module.project, layer_norm(tower.ln_final, x[0, int(tokens.argmax())])))
        rows.append(found / found.norm())
    return torch.stack(rows)


def heads(attention: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    width = x.shape[1]
    q = linear(attention.query, layer_norm(attention.norm, x))
    k, v = linear(attention.key_value, layer_norm(attention.norm, y)).split(width, dim=-1)
    found, size = [], width // 8
    for h in range(8):
        part = slice(h * size, (h + 1) * size)
        if attention.scale is None:
            weights = (q[:, part] @ k[:, part].T / math.sqrt(size)).softmax(dim=-1)
        else:
            weights = torch.relu(unit(q[:, part]) @ unit(k[:, part]).T * attention.scale[h])
        found.append(weights @ v[:, part])
    return linear(attention.output, torch.cat(found, dim=-1))


def block(module: Block, x: Tensor, y: Tensor) -> Tensor:
    found = heads(module.attention, x, y)
    x = found if module.rectified else x + found
    return x + linear(module.ffn[2], gelu(linear(module.ffn[0], layer_norm(module.norm, x))))


def normality(module: Normality, v: Tensor, scores: Tensor) -> tuple[Tensor, list[Tensor]]:
    rising = sorted(range(len(v)), key=lambda t: number(scores[t]))
    usual = v[sorted(rising[: max(1, int(module.share * len(v)))])].detach()
    patterns = block(module.gather, module.prototypes, usual)
    rebuilt = ffn(module.bottleneck, v)
    for each in module.decoder:
        rebuilt = block(each, rebuilt, patterns)
    return rebuilt, [min(1 - cosine(row, p) for p in patterns) for row in usual]


def part(v: Tensor, scores: Tensor) -> Tensor:
    weights = [torch.exp(10 * s) - 1 for s in scores]
    return sum((w * row for w, row in zip(weights, v)), torch.zeros(v.shape[1])) / sum(weights)


def forward(model: DsaNet, x: Tensor, text: Tensor, window: int) -> Video:
    v = visual_encoder(model.visual, x, window)
    logits = linear(model.classifier, v + ffn(model.ffn, v))[:, 0]
    w = weighted_vector(v, logits, "logit")
    prompted = torch.stack([t + w + ffn(model.prompt_ffn, t + w) for t in text])
    scores = 1 / (1 + torch.exp(-logits))
    rebuilt, gathered = normality(model.normality, v, scores)
    abnormal, normal = (torch.stack([cosine(part(v, s), t) / 0.07 for t in text]) for s in (scores, 1 - scores))
    apart = torch.stack([(1 - cosine(a, b)) / 2 for a, b in zip(v, rebuilt)])
    return Video(logits, unit(v) @ unit(prompted).T / 0.07, abnormal, normal, apart, gathered)


def smoothed(logits: Tensor, labels: Tensor) -> Tensor:
    target = 0.9 * labels / labels.sum() + 0.1 / len(labels)
    return -(target * torch.log(logits.exp() / logits.exp().sum())).sum()
