"""Sultani et al. 2018: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Section, Share


class SultaniSettings(Section):
    dropout: Share = 0.6
    """behind the first two layers"""
    smooth_weight: NotNegative = 8e-5
    """of the squared steps between neighbouring scores of abnormal videos"""
    sparse_weight: NotNegative = 8e-5
    """of the sum of abnormal videos' scores"""


METHOD = Method(
    title="Sultani et al. 2018",
    year=2018,
    modalities=("v",),
    pairs=True,
    published="Sultani et al.",
    settings=SultaniSettings,
)
