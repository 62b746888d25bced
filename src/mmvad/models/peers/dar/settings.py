"""DAR 2023: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Section, Share


class DarSettings(Section):
    width: Count = 512
    """of both transformers, a multiple of their four heads"""
    layers: Count = 2
    """of either transformer"""
    dropout: Share = 0.1
    """in the transformers"""
    ahead: Count = 4
    """segments whose mean feature the online part foresees"""
    online_weight: NotNegative = 1.0
    """of what the online part learns of the proposals"""
    foresee_weight: NotNegative = 0.1
    """of how far the foreseen feature lies from what comes"""


METHOD = Method(
    title="DAR 2023",
    year=2023,
    place=7,
    modalities=("v",),
    reconstruction=True,
    settings=DarSettings,
)
