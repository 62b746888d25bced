"""WSAL 2021: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Section, Share


class WsalSettings(Section):
    dropout: Share = 0.8
    """behind the first layer and in both heads"""
    sparse_weight: NotNegative = 8e-5
    """of the scores' sums"""
    smooth_weight: NotNegative = 8e-5
    """of the steps between neighbouring scores of abnormal videos"""


METHOD = Method(
    title="WSAL 2021",
    year=2021,
    place=1,
    modalities=("v",),
    pairs=True,
    published="WSAL",
    settings=WsalSettings,
)
