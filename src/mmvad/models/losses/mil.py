"""Multiple-instance learning from a video's label: the coarse loss (eq. 9) and the fine loss (eq. 10)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.dual_stream import Output
from mmvad.models.losses.pooling import top_mean
from mmvad.models.losses.settings import Loss
from mmvad.models.model import Batch


def coarse(output: Output, batch: Batch, settings: Loss) -> Tensor:
    """The term `coarse`: `coarse_loss` of the network's p."""
    return coarse_loss(torch.sigmoid(output.logits.float()), batch.mask, batch.abnormal)


def fine(output: Output, batch: Batch, settings: Loss) -> Tensor:
    """The term `fine`: `fine_loss` of the network's M."""
    assert output.alignment is not None
    return fine_loss(output.alignment.float(), batch.mask, batch.labels, settings.fine_form, settings.fine_pooling)


def coarse_loss(probabilities: Tensor, mask: Tensor, abnormal: Tensor) -> Tensor:
    """Binary cross-entropy of the MIL score with the video label (eq. 9). p [B, L], bool [B, L], bool [B]."""
    return binary_cross_entropy(top_mean(probabilities, mask), abnormal.float())


def fine_loss(alignment: Tensor, mask: Tensor, labels: Tensor, form: str, pooling: str) -> Tensor:
    """Cross-entropy of softmax(top-k mean of M) with the label vector scaled to sum 1 (eq. 10); or `bce` a class.

    Args:
        alignment: M [B, L, C].
        labels: [B, C] of 0 and 1.
        pooling: the top-k of each class's own column (`class`), or of its margin over the normal one (`margin`).
    """
    video = top_mean(class_evidence(alignment, pooling), mask)
    if form == "bce":
        return binary_cross_entropy(video.softmax(dim=-1), labels.float())
    target = labels.float() / labels.sum(dim=1, keepdim=True)
    return -(target * video.log_softmax(dim=-1)).sum(dim=-1).mean()


def class_evidence(alignment: Tensor, pooling: str) -> Tensor:
    """What every segment says for every class: [B, L, C] -> same.

    `class` is M itself. Its normal column has a top-k of its own, mostly among segments between the events, and the
    loss of an abnormal video pushes those down as well: they then score as abnormal. `margin` is M less its normal
    column, the log odds of a class against normal, as they stand in a segment's softmax(M): a class and the normal
    one are then pooled over the same segments, and what lies between the events is left alone.
    """
    return alignment - alignment[..., :1] if pooling == "margin" else alignment


def binary_cross_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """torch's own, which ends the process on NaN (on CUDA without a word); here NaN gives NaN."""
    return F.binary_cross_entropy(probabilities.nan_to_num(0.5).clamp(0, 1), labels) + 0 * probabilities.sum()


def each_cross_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """`binary_cross_entropy` of every entry by itself, of the same shape."""
    safe = probabilities.nan_to_num(0.5).clamp(0, 1)
    return F.binary_cross_entropy(safe, labels, reduction="none") + 0 * probabilities
