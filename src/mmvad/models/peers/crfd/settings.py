"""CRFD 2021: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Section, Share


class CrfdSettings(Section):
    past: Count = 9
    """segments that a segment attends to: itself and those before it"""
    dropout: Share = 0.6
    """behind the first two layers"""
    compact_weight: NotNegative = 0.1
    """of how far normal segments lie from their mean"""
    disperse_weight: NotNegative = 0.1
    """of how near the highest scoring segments of abnormal videos lie to it"""
    margin: NotNegative = 1.0
    """distance from the normal mean that these shall have"""


METHOD = Method(
    title="CRFD 2021",
    year=2021,
    place=2,
    modalities=("v",),
    reconstruction=True,
    published="CRFD (Wu & Liu)",
    settings=CrfdSettings,
)
