"""Cross-modal fusion: each kind by its formula, silence, padding."""

from __future__ import annotations

import math

import pytest
import torch

from mmvad.models.fusion import Fusion, build_fusion
from tests.plain import network as plain
from tests.small import AUDIO_WIDTH, WIDTH, batch, on_padded

KINDS = ("gated", "concat", "add", "cross_attention")
LENGTHS = [1, 5, 9]


def made(kind: str, dropout: float = 0.0) -> Fusion:
    torch.manual_seed(0)
    fusion = build_fusion(kind, WIDTH, AUDIO_WIDTH, dropout)
    assert fusion is not None
    return fusion


def fused(
    fusion: Fusion, visual: torch.Tensor, audio: torch.Tensor, has_audio: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """F of padded videos: [B, L, d]."""
    return on_padded(lambda rows, layout: fusion(rows, layout.rows(audio), has_audio, layout), visual, mask)


def by_formula(kind: str, fusion: Fusion, visual: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
    """One video's valid segments: V' [n, d] and A [n, d_a]."""
    sound = plain.layer_norm(fusion.norm, plain.linear(fusion.encode, audio))
    both = torch.cat([visual, sound], dim=-1)
    if kind == "add":
        return visual + sound
    if kind == "concat":
        return plain.linear(fusion.project, both)
    if kind == "gated":
        hidden = plain.linear(fusion.update[0], both)
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        gate = 1 / (1 + torch.exp(-plain.linear(fusion.gate, both)))
        return visual + gate * plain.linear(fusion.update[2], hidden)
    key, value = plain.linear(fusion.key_value, sound).split(WIDTH, dim=-1)
    query = plain.linear(fusion.query, plain.layer_norm(fusion.norm_visual, visual))
    found = (query @ key.T / math.sqrt(WIDTH)).softmax(dim=-1) @ value
    return visual + plain.linear(fusion.output, found)


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_follow_their_formulas(kind: str) -> None:
    fusion, videos = made(kind), batch(LENGTHS)
    found = fused(fusion, videos.visual, videos.audio, videos.has_audio, videos.mask)
    for b, n in enumerate(LENGTHS):
        wanted = by_formula(kind, fusion, videos.visual[b, :n], videos.audio[b, :n])
        torch.testing.assert_close(found[b, :n], wanted, rtol=1e-5, atol=1e-5)


def test_none_builds_nothing() -> None:
    assert build_fusion("none", WIDTH, AUDIO_WIDTH, 0.0) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_without_sound_stays_exactly_as_it_is(kind: str) -> None:
    fusion, videos = made(kind, dropout=0.5), batch(LENGTHS, has_audio=[True, False, True])
    visual = videos.visual.clone().requires_grad_()
    noise = torch.randn_like(videos.audio)
    found = fused(fusion, visual, noise, videos.has_audio, videos.mask)
    assert torch.equal(found[1], videos.visual[1])
    assert not torch.equal(found[2], videos.visual[2])
    found[1, : LENGTHS[1]].sum().backward()
    assert visual.grad is not None
    assert torch.equal(visual.grad[1], videos.mask[1].float().unsqueeze(-1).expand_as(visual[1]))
    assert all(p.grad is None or not p.grad.any() for p in fusion.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_padding_takes_no_part(kind: str) -> None:
    fusion, videos, longer = made(kind), batch(LENGTHS), batch(LENGTHS, 14)
    visual = longer.visual + ~longer.mask.unsqueeze(-1) * 30.0
    audio = longer.audio - ~longer.mask.unsqueeze(-1) * 50.0
    found = fused(fusion, videos.visual, videos.audio, videos.has_audio, videos.mask)
    again = fused(fusion, visual, audio, longer.has_audio, longer.mask)
    for b, n in enumerate(LENGTHS):
        torch.testing.assert_close(again[b, :n], found[b, :n], rtol=1e-5, atol=1e-5)
