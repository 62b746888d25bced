"""CU-Net 2023: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Section, Share


class CuNetSettings(Section):
    heads: Count = 2
    """classifiers that make pseudo-labels"""
    diverse_weight: NotNegative = 1.0
    """of how alike the heads' scores run along an abnormal video"""
    level_weight: NotNegative = 1.0
    """of how unlike in size they are"""
    past: Count = 5
    """segments before one whose mean the last classifier sees beside it"""
    dropout: Share = 0.8
    """in the last classifier; published 0.8"""
    head_dropout: Share = 0.6
    """in the heads"""
    draws: Count = 5
    """passes with dropout that say how sure a pseudo-label is"""
    first_share: Share = 0.4
    """how much of the training the heads have for themselves"""
    second_share: Share = 0.3
    """how much of it their scores are the pseudo-labels; then the last classifier's own are"""


METHOD = Method(
    title="CU-Net 2023",
    year=2023,
    place=6,
    modalities=("v", "va"),
    reconstruction=True,
    published="CU-Net",
    settings=CuNetSettings,
)
