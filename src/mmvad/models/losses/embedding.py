"""The embedding constraint (eqs. 11-12): the normal class's text stands apart from the abnormal ones'."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from mmvad.models.dual_stream import Output
from mmvad.models.losses.settings import Loss
from mmvad.models.model import Batch


def embed(output: Output, batch: Batch, settings: Loss) -> Tensor:
    """The term `embed`: `embed_loss` of the text encoder's outputs."""
    assert output.text is not None
    return embed_loss(output.text.float(), settings.embed_form, settings.embed_reduction)


def embed_loss(text: Tensor, form: str, reduction: str) -> Tensor:
    """How alike the normal class's embedding is to the abnormal ones' (eqs. 11-12): [B or 1, C, d] -> scalar.

    `abs` takes |cos|, `hinge` max(0, cos); over abnormal classes the `mean` or `sum`, over the batch the mean.
    """
    unit = F.normalize(text, dim=-1)
    cosine = (unit[:, 1:] * unit[:, :1]).sum(dim=-1)
    penalty = cosine.abs() if form == "abs" else cosine.clamp(min=0)
    return (penalty.sum(dim=1) if reduction == "sum" else penalty.mean(dim=1)).mean()
