"""The product with one of its savings taken away, for the bench and for the test that nothing but time changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from mmvad.models import layout, sentence_tree, text_encoder
from mmvad.models.sentence_tree import SentenceForest


def whole_last_block(block: Any, x: Tensor, forest: SentenceForest) -> Tensor:
    """The tower's last block over all tokens, of which the EOS are then picked."""
    parts = x.split([len(tree.position) for tree in forest.trees], dim=1)
    trees = zip(parts, forest.trees, strict=True)
    return torch.cat([block(part, attn_mask=tree.mask)[:, tree.end] for part, tree in trees], dim=1)


def written_out(self: Any, x: Tensor) -> Tensor:
    """QuickGELU by its formula, differentiated by torch."""
    del self
    return x * torch.sigmoid(1.702 * x)


SAVINGS: dict[str, tuple[Any, str, Any]] = {
    "packed segments": (layout, "packs", lambda x: False),
    "the tree of sentences": (sentence_tree, "MOST_BRANCHES", 1),
    "the last block at the EOS alone": (text_encoder, "_last_block", whole_last_block),
    "QuickGELU in one kernel": (text_encoder.QuickGELU, "forward", written_out),
}
"""Each saving, and what stands in its place: an object, the name of a part of it, the plain part."""


@contextmanager
def without(saving: str) -> Iterator[None]:
    """While it lasts, models that are built and run do without a saving."""
    owner, name, plain = SAVINGS[saving]
    kept = getattr(owner, name)
    setattr(owner, name, plain)
    try:
        yield
    finally:
        setattr(owner, name, kept)
