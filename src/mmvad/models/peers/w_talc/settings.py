"""W-TALC 2018: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import Section, Share


class WTalcSettings(Section):
    dropout: Share = 0.7
    """behind the hidden layer"""
    mil_share: Share = 0.5
    """weight of the class loss; that of the co-activity loss is what is left of 1"""


METHOD = Method(
    title="W-TALC 2018",
    year=2018,
    place=1,
    modalities=("v", "va"),
    classes=True,
    settings=WTalcSettings,
)
