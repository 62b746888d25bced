"""Sentences that begin alike as one sequence: the tokens that they share stand in it, and are computed, once.

CLIP's text tower is causal: no token sees what follows it, so what stands before the class names is the same for all
classes. A tree is that common trunk and then, one after the other, the rest of every sentence; a mask lets each token
see the trunk and what comes before it in its own branch, and positions are those in its own sentence. No token is
padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

MOST_BRANCHES = 8
"""Attention in a tree looks at all its branches; more of them in one tree cost more than trunks saved."""


class SentenceTree(nn.Module):
    """Where the tokens of some sentences stand in their tree of S tokens.

    Attributes:
        sentence, place: int64 [S], which sentence (of all) a token is of, and its position in that sentence.
        end: int64 [c], where the tree has each sentence's EOS.
        mask: float [S, S], added to attention: 0 for what a token sees, else -inf.
        end_mask: float [c, S], its rows of the EOS.
    """

    sentence: Tensor
    place: Tensor
    end: Tensor
    mask: Tensor
    end_mask: Tensor

    def __init__(self, sentences: Sequence[int], ends: Sequence[int], trunk: int) -> None:
        """Of the sentences at these numbers, whose EOS stand at `ends` and whose first `trunk` tokens are equal."""
        super().__init__()
        branches = [(i, t) for i, end in zip(sentences, ends, strict=True) for t in range(trunk, end + 1)]
        tokens = torch.tensor([(sentences[0], t) for t in range(trunk)] + branches)
        sentence, place = tokens.T.contiguous()
        before = place[:, None] >= place[None, :]
        own = (sentence[:, None] == sentence[None, :]) | (place[None, :] < trunk)
        mask = torch.zeros(len(tokens), len(tokens)).masked_fill(~(before & own), -math.inf)
        end = trunk - 1 + torch.tensor([e + 1 - trunk for e in ends]).cumsum(0)
        named = {"sentence": sentence, "place": place, "end": end, "mask": mask, "end_mask": mask[end]}
        for name, value in named.items():
            self.register_buffer(name, value, persistent=False)


def grow_trees(end: Tensor, trunk: int) -> list[SentenceTree]:
    """Trees of at most `MOST_BRANCHES` sentences that hold all, in order; `end` [C] as in `sentence_layout`."""
    groups = torch.arange(len(end)).chunk(-(-len(end) // MOST_BRANCHES))
    return [SentenceTree(group.tolist(), end[group].tolist(), trunk) for group in groups]
