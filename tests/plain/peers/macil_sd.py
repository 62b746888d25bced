"""MACIL-SD in its plainest form: one video's n valid segments, heads one by one, mini-bags as lists of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmvad.models.peers.macil_sd.network import Attention, MacilSd
from tests.plain.network import layer_norm, linear
from tests.plain.objectives import info_nce, k_of, number, top_k_mean

Video = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def attend(layer: Attention, query: Tensor, source: Tensor) -> Tensor:
    """T(q, kv) without dropout."""
    weights, biases = layer.attention.in_proj_weight.split(128), layer.attention.in_proj_bias.split(128)
    q, k, v = (x @ w.T + b for x, w, b in zip((layer_norm(layer.norm_query, query), source, source), weights, biases))
    heads = []
    for h in range(4):
        part = slice(32 * h, 32 * h + 32)
        heads.append((q[:, part] @ k[:, part].T / math.sqrt(32)).softmax(dim=-1) @ v[:, part])
    x = query + linear(layer.attention.out_proj, torch.cat(heads, dim=-1))
    return x + linear(layer.ffn[3], torch.relu(linear(layer.ffn[0], layer_norm(layer.norm_ffn, x))))


def forward(model: MacilSd, visual: Tensor, audio: Tensor) -> Video:
    """r_v, r_a [n, 128], z_v, z_a and the visual network's logits [n] of one video."""
    both, alone = model.both, model.alone
    seen, has_audio = linear(both.visual, visual), linear(both.audio, audio)
    r_v, r_a = attend(both.attend, seen, has_audio), attend(both.attend, has_audio, seen)
    own = linear(alone.visual, visual)
    z_v, z_a, z = (
        linear(net.classify, r).squeeze(-1)
        for net, r in ((both, r_v), (both, r_a), (alone, attend(alone.attend, own, own)))
    )
    return r_v, r_a, z_v, z_a, z


def bag_probability(logits: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-top_k_mean(list(logits))))


def bag_loss(videos: Sequence[Tensor], abnormal: Sequence[bool]) -> Tensor:
    total = torch.zeros(())
    for logits, y in zip(videos, abnormal):
        p = bag_probability(logits)
        total = total - (torch.log(p) if y else torch.log(1 - p))
    return total / len(videos)


def mini_bags(rows: Sequence[Tensor], scores: Sequence[Tensor], predicted: Sequence[bool]) -> dict[str, list[Tensor]]:
    """A modality's abn, nor and bgd rows, pooled over the batch."""
    found: dict[str, list[Tensor]] = {"abn": [], "nor": [], "bgd": []}
    for r, s, y in zip(rows, scores, predicted):
        k = k_of(len(s))
        rising = sorted(range(len(s)), key=lambda t: number(s[t]))
        top, bottom = [r[t] for t in rising[::-1][:k]], [r[t] for t in rising[:k]]
        if y:
            found["abn"] += [sum(top[1:], top[0]) / k] * k
        else:
            found["nor"] += top
        found["bgd"] += bottom
    return found


def contrast(videos: Sequence[Video], *, swapped: bool) -> Tensor:
    predicted = [number(bag_probability(z_v + z_a)) > 0.5 for _, _, z_v, z_a, _ in videos]
    if all(predicted) or not any(predicted):
        return torch.zeros(())
    picks = (3, 2) if swapped else (2, 3)
    v, a = (mini_bags([x[i] for x in videos], [x[j] for x in videos], predicted) for i, j in zip((0, 1), picks))
    total = torch.zeros(())
    for query, other in ((a, v), (v, a)):
        for negatives in ("bgd", "nor"):
            total = total + info_nce(list(zip(query["abn"], other["abn"])), other[negatives])
    return total


def losses(videos: Sequence[Video], abnormal: Sequence[bool], weight: float, *, swapped: bool) -> dict[str, Tensor]:
    found = {
        "bag": bag_loss([z_v + z_a for _, _, z_v, z_a, _ in videos], abnormal),
        "contrast": contrast(videos, swapped=swapped),
        "alone": bag_loss([z for *_, z in videos], abnormal),
    }
    found["total"] = found["bag"] + weight * found["contrast"] + found["alone"]
    return found
