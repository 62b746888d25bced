"""MSBT 2024: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Section, Share


class MsbtSettings(Section):
    width: Count = 128
    """of each modality's rows, a multiple of its four heads"""
    bottlenecks: Count = 16
    """tokens of the first fusion layer; each layer halves them, down to one"""
    layers: Count = 4
    """of the transformer over all pairs"""
    dropout: Share = 0.2
    """behind attention and feed-forward parts"""
    score_dropout: Share = 0.6
    """in the scorer"""
    contrast_weight: NotNegative = 0.1
    """of the temporal consistency contrast"""


METHOD = Method(
    title="MSBT 2024",
    year=2024,
    place=4,
    modalities=("va",),
    published="MSBT",
    settings=MsbtSettings,
)
