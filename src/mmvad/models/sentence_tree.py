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
MOST_TOKENS = 128
"""Two tiles of an attention kernel: a tree of a few more takes three times as long there."""


class SentenceTree(nn.Module):
    """Where the tokens of some sentences stand in their tree of S tokens.

    Attributes:
        sentence, position: int64 [S], which sentence (of all) a token is of, and its position in that sentence.
        end: int64 [c], where the tree has each sentence's EOS.
        mask: float [S, S], added to attention: 0 for what a token sees, else -inf.
        end_mask: float [c, S], its rows of the EOS.
    """

    mask: Tensor
    end_mask: Tensor

    def __init__(self, sentences: Sequence[int], ends: Sequence[int], trunk: int) -> None:
        """Of the sentences at these numbers, whose EOS stand at `ends` and whose first `trunk` tokens are equal."""
        super().__init__()
        branches = [(i, t) for i, end in zip(sentences, ends, strict=True) for t in range(trunk, end + 1)]
        tokens = torch.tensor([(sentences[0], t) for t in range(trunk)] + branches)
        sentence, position = tokens.T.contiguous()
        before = position[:, None] >= position[None, :]
        own = (sentence[:, None] == sentence[None, :]) | (position[None, :] < trunk)
        mask = torch.zeros(len(tokens), len(tokens)).masked_fill(~(before & own), -math.inf)
        end = trunk - 1 + torch.tensor([e + 1 - trunk for e in ends]).cumsum(0)
        self.sentence, self.position, self.end = sentence, position, end
        for name, value in {"mask": mask, "end_mask": mask[end]}.items():
            self.register_buffer(name, value, persistent=False)


class SentenceForest(nn.Module):
    """All sentences in trees, whose T tokens stand one tree after the other.

    Attributes:
        trees: as they follow each other.
        sentence, position: int64 [T], as in a tree.
        end: int64 [C], where each sentence's EOS stands.
    """

    sentence: Tensor
    position: Tensor
    end: Tensor

    def __init__(self, trees: Sequence[SentenceTree]) -> None:
        super().__init__()
        self.trees = nn.ModuleList(trees)
        before = [sum(len(tree.position) for tree in trees[:nth]) for nth in range(len(trees))]
        ends = torch.cat([start + tree.end for start, tree in zip(before, trees, strict=True)])
        named = {name: torch.cat([getattr(tree, name) for tree in trees]) for name in ("sentence", "position")}
        for name, value in {**named, "end": ends}.items():
            self.register_buffer(name, value, persistent=False)

    def masks(self, name: str) -> list[Tensor]:
        """`mask` or `end_mask` of every tree."""
        return [getattr(tree, name) for tree in self.trees]


def grow_forest(end: Tensor, trunk: int) -> SentenceForest:
    """As few trees as hold all sentences in order, none too large; `end` [C] as in `sentence_layout`."""
    for count in range(-(-len(end) // MOST_BRANCHES), len(end) + 1):
        groups = torch.arange(len(end)).chunk(count)
        trees = [SentenceTree(group.tolist(), end[group].tolist(), trunk) for group in groups]
        if all(len(tree.position) <= MOST_TOKENS for tree in trees):
            break
    return SentenceForest(trees)
