"""The losses: coarse MIL (eq. 9), fine MIL (eq. 10), embedding constraint (eqs. 11-12), and their total (eq. 13).

All in float32, whatever precision the network ran in. The contrastive constraint (eq. 4) has a file of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.dual_stream import Output
from mmvad.models.losses.contrast import contrast_loss
from mmvad.models.losses.pooling import top_mean
from mmvad.models.model import Batch


@dataclass(frozen=True)
class LossSettings:
    """`loss.*` of the configuration."""

    coarse: bool
    fine: bool
    contrast: bool
    embed: bool
    lambda_contrast: float
    lambda_embed: float
    fine_form: str
    fine_pooling: str
    contrast_pairing: str
    contrast_select: str
    embed_form: str
    embed_reduction: str


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


def embed_loss(text: Tensor, form: str, reduction: str) -> Tensor:
    """How alike the normal class's embedding is to the abnormal ones' (eqs. 11-12): [B or 1, C, d] -> scalar.

    `abs` takes |cos|, `hinge` max(0, cos); over abnormal classes the `mean` or `sum`, over the batch the mean.
    """
    unit = F.normalize(text, dim=-1)
    cosine = (unit[:, 1:] * unit[:, :1]).sum(dim=-1)
    penalty = cosine.abs() if form == "abs" else cosine.clamp(min=0)
    return (penalty.sum(dim=1) if reduction == "sum" else penalty.mean(dim=1)).mean()


def objective(output: Output, batch: Batch, settings: LossSettings, lambdas: Tensor | None = None) -> dict[str, Tensor]:
    """Every loss that is on, unweighted, and `total` = coarse + lambda1 contrast + fine + lambda2 embed (eq. 13).

    With lambda1 and lambda2 as a tensor [2] a compiled step serves all their values; else they are the settings'.
    """
    with torch.autocast(output.logits.device.type, enabled=False):
        losses = _losses(output, batch, settings)
        first, second = (settings.lambda_contrast, settings.lambda_embed) if lambdas is None else lambdas.unbind()
        weights = {"contrast": first, "embed": second}
        losses["total"] = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
    return losses


def _losses(output: Output, batch: Batch, settings: LossSettings) -> dict[str, Tensor]:
    probabilities = torch.sigmoid(output.logits.float())
    losses = {}
    if settings.coarse:
        losses["coarse"] = coarse_loss(probabilities, batch.mask, batch.abnormal)
    if settings.contrast:
        kind = batch.abnormal if settings.contrast_select == "label" else top_mean(probabilities, batch.mask) > 0.5
        losses["contrast"] = contrast_loss(
            output.features.float(), probabilities, batch.mask, kind, settings.contrast_pairing
        )
    if settings.fine and output.alignment is not None:
        losses["fine"] = fine_loss(
            output.alignment.float(), batch.mask, batch.labels, settings.fine_form, settings.fine_pooling
        )
    if settings.embed and output.text is not None:
        losses["embed"] = embed_loss(output.text.float(), settings.embed_form, settings.embed_reduction)
    return losses
