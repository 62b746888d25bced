"""Trees of sentences: nothing is computed twice, and nothing else changes."""

from __future__ import annotations

import pytest
import torch

from mmvad.benchmarks.registry import UCF_CRIME
from mmvad.models.prompts import PromptSentences
from mmvad.models.sentence_tree import MOST_BRANCHES, MOST_TOKENS, SentenceForest, SentenceTree, grow_forest
from tests.plain import network as plain
from tests.small import PROMPTS, full_encoder, tiny_encoder

MANY = [*PROMPTS, *(c.prompt for c in UCF_CRIME.classes), "a person who steals from a shop"]


def test_a_small_tree_by_hand() -> None:
    """Two sentences of three and four tokens with two in common: t0 t1 a2 b2 b3."""
    tree = SentenceTree([4, 5], [2, 3], trunk=2)
    assert tree.sentence.tolist() == [4, 4, 4, 5, 5]
    assert tree.position.tolist() == [0, 1, 2, 2, 3]
    assert tree.end.tolist() == [2, 4]
    seen = [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 1, 0, 1, 1]]
    assert (tree.mask == 0).int().tolist() == seen
    assert set(tree.mask.flatten().tolist()) == {0.0, -torch.inf}


def test_tokens_are_counted_once() -> None:
    """XD's sentences: 11 tokens in common, then every class's name, 10 vectors and EOS; 7 x 24 = 168 otherwise."""
    sentences = PromptSentences(tiny_encoder(), PROMPTS, 10)
    assert len(sentences.forest.trees) == 1
    assert len(sentences.forest.position) == 11 + sum(int(end) - 10 for end in sentences.end)
    assert len(sentences.forest.position) < 105


@pytest.mark.parametrize(("classes", "end", "trunk"), [(100, 24, 11), (14, 31, 15), (7, 24, 11), (3, 76, 2)])
def test_a_forest_is_of_small_trees(classes: int, end: int, trunk: int) -> None:
    """No token twice but the trunks, one a tree; every EOS where it says."""
    forest = grow_forest(torch.full((classes,), end), trunk)
    sizes = [(len(tree.end), len(tree.position)) for tree in forest.trees]
    assert all(branches <= MOST_BRANCHES and (tokens <= MOST_TOKENS or branches == 1) for branches, tokens in sizes)
    assert len(forest.position) == classes * (end + 1 - trunk) + trunk * len(sizes)
    assert forest.sentence[forest.end].tolist() == list(range(classes))
    assert forest.position[forest.end].tolist() == [end] * classes


def test_tokens_see_nothing_of_other_trees() -> None:
    """A forest's features are those of each tree by itself."""
    encoder = tiny_encoder()
    trees = [SentenceTree([0, 1], [4, 6], 2), SentenceTree([2], [5], 2), SentenceTree([3, 4, 5], [3, 3, 7], 2)]
    forest = SentenceForest(trees)
    x = torch.randn(3, len(forest.position), encoder.width, generator=torch.Generator().manual_seed(0))
    parts = x.split([len(tree.position) for tree in trees], dim=1)
    wanted = [encoder.encode_forest(part, SentenceForest([tree])) for part, tree in zip(parts, trees, strict=True)]
    torch.testing.assert_close(encoder.encode_forest(x, forest), torch.cat(wanted, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("names", [PROMPTS[:1], PROMPTS, MANY])
@pytest.mark.parametrize("half", [1, 10])
@pytest.mark.parametrize("videos", [0, 2])
def test_features_and_gradients_of_full_sentences(names: list[str], half: int, videos: int) -> None:
    """Against open_clip's own forward over all 77 places, sentence by sentence."""
    encoder = tiny_encoder()
    torch.manual_seed(0)
    sentences = PromptSentences(encoder, names, half)
    shift = 0.05 * torch.randn(videos, encoder.width) if videos else None
    if shift is not None:
        shift.requires_grad_()
    wanted = torch.stack(
        [
            torch.stack([plain.encode_sentence(encoder.tower, name, sentences.vectors, one) for name in names])
            for one in (shift if shift is not None else [None])
        ]
    )
    found = sentences.encoded(encoder, shift)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    inputs = [sentences.vectors, *([shift] if shift is not None else [])]
    weight = torch.randn(found.shape)
    ours, theirs = (torch.autograd.grad((x * weight).sum(), inputs) for x in (found, wanted))
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()) + 1e-5)


def test_the_real_tower_reads_a_tree_as_full_sentences() -> None:
    encoder = full_encoder()
    torch.manual_seed(0)
    sentences = PromptSentences(encoder, PROMPTS, 10)
    with torch.no_grad():
        found = sentences.encoded(encoder)[0]
        for c in (0, 5):
            wanted = plain.encode_sentence(encoder.tower, PROMPTS[c], sentences.vectors, None)
            torch.testing.assert_close(found[c], wanted, rtol=1e-5, atol=1e-5)


def test_the_towers_activation_is_open_clips() -> None:
    """`QuickGELU` stands in the tower in place of open_clip's: values and gradients."""
    from open_clip.transformer import QuickGELU as ClipQuickGELU

    from mmvad.models.text_encoder import QuickGELU

    x = torch.cat([torch.linspace(-60, 60, 1001), torch.tensor([0.0, 1e-20, -1e4, 1e4])]).requires_grad_()
    found, wanted = QuickGELU()(x), ClipQuickGELU()(x)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)
    ours, theirs = (torch.autograd.grad(y.sum(), x)[0] for y in (found, wanted))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert isinstance(tiny_encoder().tower.transformer.resblocks[0].mlp.gelu, QuickGELU)
