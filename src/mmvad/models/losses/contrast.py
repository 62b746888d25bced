"""The contrastive constraint (eq. 4): InfoNCE between mini-bags of the highest and lowest scored segments."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.dual_stream import Output
from mmvad.models.layout import packs
from mmvad.models.losses.pooling import mean_rows, rows_at_each, top_mean, top_positions
from mmvad.models.losses.settings import Loss
from mmvad.models.model import Batch

TEMPERATURE = 0.1


class MiniBags(NamedTuple):
    """The k highest (top) and k lowest (bottom) segments of every video, as unit vectors.

    Attributes:
        top, bottom: [B, K, d], K the largest k.
        taken: bool [B, K], False beyond a video's own k.
        distinct: bool [B, K], False where top and bottom at one index are the same segment.
    """

    top: Tensor
    bottom: Tensor
    taken: Tensor
    distinct: Tensor


def contrast(output: Output, batch: Batch, settings: Loss) -> Tensor:
    """The term `contrast`: `contrast_loss` of F and p, of the kinds that `loss.contrast_select` tells apart."""
    scores = torch.sigmoid(output.logits.float())
    kind = batch.abnormal if settings.contrast_select == "label" else top_mean(scores, batch.mask) > 0.5
    return contrast_loss(output.features.float(), scores, batch.mask, kind, settings.contrast_pairing)


def contrast_loss(features: Tensor, scores: Tensor, mask: Tensor, abnormal: Tensor, pairing: str) -> Tensor:
    """InfoNCE over mini-bags, cosine similarity, temperature 0.1 (eq. 4).

    Args:
        features: F [B, L, d].
        scores: p [B, L]; selects without gradient.
        mask: bool [B, L].
        abnormal: bool [B], the kind of each video.
        pairing: `within_kind` (the figure) or `foreground` (MACIL-SD's way).

    Returns: a scalar; 0 with a gradient path of 0 where either kind is missing.
    """
    bags = mini_bags(features, scores.detach(), mask)
    pair = _within_kind if pairing == "within_kind" else _foreground
    loss = pair(bags, abnormal)
    both = abnormal.any() & (~abnormal).any()
    return torch.where(both, loss, torch.zeros_like(loss)) + 0 * features.sum()


def mini_bags(features: Tensor, scores: Tensor, mask: Tensor) -> MiniBags:
    """The mini-bags of every video, with k = floor(n / 16) + 1."""
    highest, taken = top_positions(scores, mask)
    lowest, _ = top_positions(scores, mask, lowest=True)
    top, bottom = (F.normalize(rows, dim=-1) for rows in rows_at_each(features, highest, lowest))
    return MiniBags(top, bottom, taken, highest != lowest)


def _within_kind(bags: MiniBags, abnormal: Tensor) -> Tensor:
    """Queries top-a, positives bot-a by index, negatives top-n and bot-n; plus the same with the kinds exchanged."""
    positive = (bags.top * bags.bottom).sum(dim=-1)
    keys = torch.cat([bags.top, bags.bottom], dim=1)
    taken = torch.cat([bags.taken, bags.taken], dim=1)
    queries = bags.taken & bags.distinct
    if not packs(queries):
        return _both_kinds(bags.top, positive, queries, keys, taken, abnormal)
    return sum(
        (_against(bags.top, positive, queries & k[:, None], keys, taken & ~k[:, None]) for k in (abnormal, ~abnormal)),
        positive.new_zeros(()),
    )


def _both_kinds(
    queries: Tensor, positive: Tensor, asked: Tensor, keys: Tensor, taken: Tensor, abnormal: Tensor
) -> Tensor:
    """`_within_kind` at fixed shapes: one product for both kinds, each query against the keys of the other one."""
    kinds = [abnormal[:, None].expand(mask.shape).flatten() for mask in (asked, taken)]
    negatives = taken.flatten() & (kinds[0][:, None] != kinds[1])
    counts = torch.stack([(asked & ~abnormal[:, None]).sum(), (asked & abnormal[:, None]).sum()]).clamp(min=1)
    similarity = queries.flatten(0, 1) @ keys.flatten(0, 1).T
    return (nce_terms(similarity, positive.flatten(), negatives) * asked.flatten() / counts[kinds[0].long()]).sum()


def _foreground(bags: MiniBags, abnormal: Tensor) -> Tensor:
    """Queries top-a; positive the other abnormal videos' mean top-a; negatives top-n, and apart from it all bottoms."""
    mean = mean_rows(bags.top, bags.taken) * abnormal.unsqueeze(-1)
    others = F.normalize(mean.sum(dim=0, keepdim=True) - mean, dim=-1)
    positive = (bags.top * others.unsqueeze(1)).sum(dim=-1)
    queries = bags.taken & abnormal[:, None] & (abnormal.sum() > 1)
    normal_tops = bags.taken & ~abnormal[:, None]
    return _against(bags.top, positive, queries, bags.top, normal_tops) + _against(
        bags.top, positive, queries, bags.bottom, bags.taken
    )


def _against(queries: Tensor, positive: Tensor, asked: Tensor, keys: Tensor, negatives: Tensor) -> Tensor:
    """InfoNCE of the queries [B, K, d] that are asked, bool [B, K], against the keys [B, N, d] that are negatives.

    Where the layout packs, the others are left out; else all pairs are multiplied and masked, at fixed shapes.
    """
    if packs(queries):
        queries, positive, keys = queries[asked], positive[asked], keys[negatives]
        asked, negatives = (torch.ones(len(x), dtype=torch.bool) for x in (queries, keys))
    else:
        queries, keys = queries.flatten(0, 1), keys.flatten(0, 1)
    return info_nce(queries @ keys.T, positive.flatten(), negatives.flatten(), asked.flatten())


def info_nce(similarity: Tensor, positive: Tensor, negatives: Tensor, queries: Tensor) -> Tensor:
    """Mean over queries of -log(P / (P + sum over negatives of N)), from cosines.

    Args:
        similarity: [Q, N]; positive: [Q]; negatives: bool [N]; queries: [Q], which rows count, or how often.
    """
    return (nce_terms(similarity, positive, negatives) * queries).sum() / queries.sum().clamp(min=1)


def nce_terms(similarity: Tensor, positive: Tensor, negatives: Tensor) -> Tensor:
    """-log(P / (P + sum over negatives of N)) of every query: cosines [Q, N] and [Q], bool [N] or [Q, N] -> [Q]."""
    positive = positive / TEMPERATURE
    against = (similarity / TEMPERATURE).masked_fill(~negatives, torch.finfo(similarity.dtype).min)
    return torch.logsumexp(torch.cat([positive.unsqueeze(-1), against], dim=-1), dim=-1) - positive
