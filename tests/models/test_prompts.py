"""Prompt sentences, the context prompt and the anomaly vector against full sentences and loops."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmvad.benchmarks.registry import UCF_CRIME
from mmvad.models.prompts import ContextPrompt, FeedForward, PromptSentences, VisualPrompt, anomaly_vector
from mmvad.models.text_encoder import QuickGELU
from tests.plain import network as plain
from tests.small import PROMPTS, WIDTH, batch, tiny_encoder

ALL_PROMPTS = [*PROMPTS, *(c.prompt for c in UCF_CRIME.classes)]


@pytest.mark.parametrize("half", [1, 2, 10, 14, 32])
def test_cut_sentences_give_what_full_ones_give(half: int) -> None:
    encoder = tiny_encoder()
    torch.manual_seed(0)
    sentences = PromptSentences(encoder, ALL_PROMPTS, half)
    found = sentences.encoded(encoder)[0]
    for c, name in enumerate(ALL_PROMPTS):
        wanted = plain.encode_sentence(encoder.tower, name, sentences.vectors, None)
        torch.testing.assert_close(found[c], wanted, rtol=1e-5, atol=1e-5)


def test_a_shift_moves_every_learned_vector_and_nothing_else() -> None:
    encoder = tiny_encoder()
    torch.manual_seed(0)
    sentences = PromptSentences(encoder, PROMPTS, 3)
    shift = 0.05 * torch.randn(2, encoder.width)
    found = sentences.encoded(encoder, shift)
    weight = torch.randn(2, len(PROMPTS), encoder.output_width)
    (grad,) = torch.autograd.grad((found * weight).sum(), sentences.vectors)
    rows = [
        torch.stack([plain.encode_sentence(encoder.tower, name, sentences.vectors, one) for name in PROMPTS])
        for one in shift
    ]
    wanted = torch.stack(rows)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    (wanted_grad,) = torch.autograd.grad((wanted * weight).sum(), sentences.vectors)
    torch.testing.assert_close(grad, wanted_grad, rtol=1e-4, atol=1e-4)


def test_sentences_stop_at_the_longest_end() -> None:
    sentences = PromptSentences(tiny_encoder(), PROMPTS, 10)
    words = {"normal": 1, "car accident": 2}
    ends = {name: int(end) for name, end in zip(PROMPTS, sentences.end)}
    assert {name: ends[name] for name in words} == {name: 20 + n + 1 for name, n in words.items()}
    assert int(sentences.forest.position.max()) == int(sentences.end.max())


def test_learned_vectors_are_shared_by_all_classes() -> None:
    sentences = PromptSentences(tiny_encoder(), PROMPTS, 10)
    assert sentences.vectors.shape == (20, 64)
    assert [name for name, _ in sentences.named_parameters()] == ["vectors"]
    rows, tokens = sentences.embeddings(sentences.vectors.unsqueeze(0))[0], sentences.forest
    torch.testing.assert_close(rows[1:11], sentences.vectors[:10])  # the trunk
    for c, end in enumerate(sentences.end.tolist()):
        own = (tokens.sentence == c) & (tokens.position >= end - 10) & (tokens.position < end)
        torch.testing.assert_close(rows[own], sentences.vectors[10:])


def test_feed_forward_widens_four_times_with_quick_gelu() -> None:
    ffn = FeedForward(WIDTH)
    x = torch.randn(3, WIDTH)
    torch.testing.assert_close(ffn(x), plain.ffn(ffn, x))
    assert ffn[0].weight.shape == (4 * WIDTH, WIDTH)
    torch.testing.assert_close(QuickGELU()(x), plain.quick_gelu(x))


def test_context_prompt_is_w_through_a_skip_and_starts_small() -> None:
    torch.manual_seed(0)
    context = ContextPrompt(WIDTH, WIDTH)
    w = F.normalize(torch.randn(4, WIDTH), dim=-1)
    torch.testing.assert_close(context(w), context.scale * w)  # the FFN's last layer starts at zero
    assert 0 < context.scale.item() < 0.11
    torch.nn.init.normal_(context.ffn[2].weight)
    wanted = context.scale * (plain.ffn(context.ffn, plain.layer_norm(context.norm, w)) + w)
    torch.testing.assert_close(context(w), wanted)
    assert context.scale.requires_grad
    assert ContextPrompt(WIDTH, 64)(w).shape == (4, 64)


def test_visual_prompt_adds_what_the_ffn_makes_of_both() -> None:
    torch.manual_seed(0)
    prompt = VisualPrompt(WIDTH)
    text, w = torch.randn(3, 5, WIDTH), torch.randn(3, WIDTH)
    found = prompt(text, w)
    for b in range(3):
        for c in range(5):
            t = plain.unit(text[b, c])
            wanted = t + plain.ffn(prompt.ffn, plain.layer_norm(prompt.norm, w[b] + t))
            torch.testing.assert_close(found[b, c], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weighting", ["score", "logit", "softmax"])
def test_anomaly_vector_against_loops(weighting: str) -> None:
    lengths = [1, 4, 20]
    videos = batch(lengths, 24)
    logits = torch.randn(3, 24, generator=torch.Generator().manual_seed(0))
    garbage = ~videos.mask.unsqueeze(-1) * 100.0
    found = anomaly_vector(videos.visual + garbage, logits - garbage[..., 0], videos.mask, weighting)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3))
    for b, n in enumerate(lengths):
        wanted = plain.weighted_vector(videos.visual[b, :n], logits[b, :n], weighting)
        torch.testing.assert_close(found[b], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weighting", ["score", "logit", "softmax"])
def test_anomaly_vector_of_nothing_is_finite(weighting: str) -> None:
    features = torch.zeros(1, 4, WIDTH, requires_grad=True)
    found = anomaly_vector(features, torch.zeros(1, 4), torch.ones(1, 4, dtype=torch.bool), weighting)
    found.sum().backward()
    assert found.isfinite().all()
    assert features.grad is not None
    assert features.grad.isfinite().all()
