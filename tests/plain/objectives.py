"""The losses in their plainest form: loops over videos, segments and classes, one scalar at a time.

Every function takes valid segments only, cut out by the caller's `lengths`; padding cannot take part by construction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def number(value: Tensor) -> float:
    return value.detach().item()


def k_of(n: int) -> int:
    return math.floor(n / 16) + 1


def top_k_mean(values: Sequence[Tensor]) -> Tensor:
    """Mean of the k highest of a video's scalars."""
    k = k_of(len(values))
    highest = sorted(values, key=lambda v: -number(v))[:k]
    return sum(highest[1:], highest[0]) / k


def cosine(a: Tensor, b: Tensor) -> Tensor:
    dot = sum((x * y for x, y in zip(a, b)), torch.zeros(()))
    length = lambda v: torch.sqrt(sum((x * x for x in v), torch.zeros(())))  # noqa: E731
    return dot / (length(a) * length(b))


def coarse(p: Tensor, lengths: Sequence[int], abnormal: Sequence[bool]) -> Tensor:
    """Eq. 9: binary cross-entropy, mean over videos."""
    total = torch.zeros(())
    for b, n in enumerate(lengths):
        score = top_k_mean([p[b, t] for t in range(n)])
        total = total - (torch.log(score) if abnormal[b] else torch.log(1 - score))
    return total / len(lengths)


def class_probabilities(alignment: Tensor, b: int, n: int, pooling: str) -> list[Tensor]:
    """p_f of one video: softmax over the classes of the top-k mean over time, of M or of M less its normal column."""
    zero = [alignment[b, t, 0] if pooling == "margin" else 0 for t in range(n)]
    u = [top_k_mean([alignment[b, t, c] - zero[t] for t in range(n)]) for c in range(alignment.shape[2])]
    exponentials = [torch.exp(x - max(number(y) for y in u)) for x in u]
    return [e / sum(exponentials[1:], exponentials[0]) for e in exponentials]


def fine(alignment: Tensor, lengths: Sequence[int], labels: Tensor, form: str, pooling: str) -> Tensor:
    """Eq. 10: cross-entropy with the label vector scaled to sum 1; or a class's binary cross-entropy, over classes."""
    total = torch.zeros(())
    for b, n in enumerate(lengths):
        probabilities = class_probabilities(alignment, b, n, pooling)
        for c, probability in enumerate(probabilities):
            y = number(labels[b, c])
            if form == "cross_entropy":
                total = total - y / number(labels[b].sum()) * torch.log(probability)
            else:
                one = y * torch.log(probability) + (1 - y) * torch.log(1 - probability)
                total = total - one / len(probabilities)
    return total / len(lengths)


def embed(text: Tensor, form: str, reduction: str) -> Tensor:
    """Eqs. 11-12: the abnormal classes' cosines with the normal class's, then the mean over the batch."""
    total = torch.zeros(())
    for rows in text:
        penalties = []
        for c in range(1, len(rows)):
            value = cosine(rows[0], rows[c])
            penalties.append(value.abs() if form == "abs" else torch.relu(value))
        one = sum(penalties[1:], penalties[0])
        total = total + (one / len(penalties) if reduction == "mean" else one)
    return total / len(text)


def bags(p: Tensor, lengths: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Of each video, the places of its k highest and of its k lowest segments."""
    found = []
    for b, n in enumerate(lengths):
        rising = sorted(range(n), key=lambda t: number(p[b, t]))
        k = k_of(n)
        found.append((rising[::-1][:k], rising[:k]))
    return found


def info_nce(queries: list[tuple[Tensor, Tensor]], negatives: list[Tensor]) -> Tensor:
    """Mean over (query, positive) pairs of -log(P / (P + sum N)), temperature 0.1; 0 without a pair."""
    total = torch.zeros(())
    for query, positive in queries:
        pull = torch.exp(cosine(query, positive) / 0.1)
        push = sum((torch.exp(cosine(query, n) / 0.1) for n in negatives), torch.zeros(()))
        total = total - torch.log(pull / (pull + push))
    return total / max(len(queries), 1)


def contrast_within_kind(features: Tensor, p: Tensor, lengths: Sequence[int], abnormal: Sequence[bool]) -> Tensor:
    """Eq. 4 as the figure has it: top-a with bot-a of the same video against all of top-n and bot-n; and exchanged."""
    if all(abnormal) or not any(abnormal):
        return torch.zeros(())
    chosen = bags(p, lengths)
    total = torch.zeros(())
    for kind in (True, False):
        queries, negatives = [], []
        for b, (top, bottom) in enumerate(chosen):
            if abnormal[b] == kind:
                queries += [(features[b, i], features[b, j]) for i, j in zip(top, bottom) if i != j]
            else:
                negatives += [features[b, i] for i in top + bottom]
        total = total + info_nce(queries, negatives)
    return total


def contrast_foreground(features: Tensor, p: Tensor, lengths: Sequence[int], abnormal: Sequence[bool]) -> Tensor:
    """Eq. 4 in MACIL-SD's way: top-a against top-n, and against every bottom as background.

    A query's positive is the mean over the other abnormal videos of their tops' mean, tops as unit vectors.
    """
    if all(abnormal) or not any(abnormal):
        return torch.zeros(())
    chosen = bags(p, lengths)
    unit = lambda v: v / torch.sqrt((v * v).sum())  # noqa: E731
    of_kind = [b for b in range(len(lengths)) if abnormal[b]]
    queries = []
    for b in of_kind:
        others = [torch.stack([unit(features[o, i]) for i in chosen[o][0]]).mean(dim=0) for o in of_kind if o != b]
        if others:
            positive = torch.stack(others).mean(dim=0)
            queries += [(features[b, i], positive) for i in chosen[b][0]]
    tops = [features[b, i] for b in range(len(lengths)) if not abnormal[b] for i in chosen[b][0]]
    bottoms = [features[b, i] for b in range(len(lengths)) for i in chosen[b][1]]
    return info_nce(queries, tops) + info_nce(queries, bottoms)


def contrast(features: Tensor, p: Tensor, lengths: Sequence[int], abnormal: Sequence[bool], pairing: str) -> Tensor:
    one = contrast_within_kind if pairing == "within_kind" else contrast_foreground
    return one(features, p, lengths, abnormal)


def kinds(p: Tensor, lengths: Sequence[int], abnormal: Sequence[bool], select: str) -> list[bool]:
    """Which videos the constraint takes for abnormal: by the MIL score above 0.5, or by the label."""
    if select == "label":
        return [bool(y) for y in abnormal]
    return [number(top_k_mean([p[b, t] for t in range(n)])) > 0.5 for b, n in enumerate(lengths)]


def total(coarse: Tensor, contrast: Tensor, fine: Tensor, embed: Tensor, lambda1: float, lambda2: float) -> Tensor:
    """Eq. 13."""
    return coarse + lambda1 * contrast + fine + lambda2 * embed
