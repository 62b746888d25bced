"""HyperVD 2023: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import Section, Share


class HyperVdSettings(Section):
    dropout: Share = 0.6
    """after each layer of the picture's, before and after each graph's"""


METHOD = Method(
    title="HyperVD 2023",
    year=2023,
    place=5,
    modalities=("va",),
    published="HyperVD",
    settings=HyperVdSettings,
)
