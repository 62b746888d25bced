"""MSL 2022: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import Count, Section, Share


class MslSettings(Section):
    width: Count = 512
    """of the transformer, a multiple of its eight heads"""
    layers: Count = 2
    """of the transformer"""
    dropout: Share = 0.1
    """in the transformer and the scorers"""


METHOD = Method(
    title="MSL 2022",
    year=2022,
    place=1,
    modalities=("v",),
    pairs=True,
    reconstruction=True,
    published="MSL",
    settings=MslSettings,
)
