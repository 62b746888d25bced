"""The objective of the dual-stream network: a list of terms, each a name, a function and a weight (eq. 13).

All in float32, whatever precision the network ran in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmvad.models.dual_stream import Output
from mmvad.models.losses.settings import TERMS, Loss
from mmvad.models.model import Batch
from mmvad.models.registry import found


class Weighted(NamedTuple):
    """A term that is on.

    Attributes:
        function: of the network's output, the batch and `loss.*`, to a scalar.
        reads_text: without T the term is skipped.
    """

    name: str
    function: Callable[[Output, Batch, Loss], Tensor]
    weight: float
    reads_text: bool


def terms_of(settings: Loss) -> tuple[Weighted, ...]:
    """The terms that are on, in the order in which they are added up."""
    return tuple(
        Weighted(name, found(TERMS[name].function), weight, TERMS[name].reads_text)
        for name, weight in settings.terms.items()
    )


def weights_of(terms: Sequence[Weighted]) -> Tensor:
    """The terms' weights, float32 [n]."""
    return torch.tensor([term.weight for term in terms], dtype=torch.float32)


def objective(
    output: Output,
    batch: Batch,
    settings: Loss,
    terms: Sequence[Weighted] | None = None,
    weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """Every term that is on and that the network serves, unweighted, and `total` = the weighted sum (eq. 13).

    Args:
        terms: of these settings, where they were looked up before.
        weights: the terms', [n] on the output's device: a compiled step that is handed them serves all their values.
    """
    terms = terms_of(settings) if terms is None else terms
    weights = weights_of(terms).to(output.logits.device) if weights is None else weights
    losses, weighted = {}, []
    with torch.autocast(output.logits.device.type, enabled=False):
        for term, weight in zip(terms, weights.unbind(), strict=True):
            if term.reads_text and output.text is None:
                continue
            losses[term.name] = term.function(output, batch, settings)
            weighted.append(weight * losses[term.name])
        losses["total"] = torch.stack(weighted).sum()
    return losses
