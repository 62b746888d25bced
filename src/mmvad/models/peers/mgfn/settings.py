"""MGFN 2023: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Section, Share


class MgfnSettings(Section):
    width: Count = 64
    """of the glance layers; the focus layers are 2 and 16 times as wide, and a head is this wide"""
    dropout: Share = 0.7
    """on the norms that select segments"""
    far_margin: NotNegative = 200.0
    """distance that the selected norms of abnormal and normal videos shall keep"""
    far_weight: NotNegative = 1e-6
    """of the squared hinge on that distance"""
    near_weight: NotNegative = 1e-3
    """of the squared distance between the selected norms of two videos of a kind"""
    smooth_weight: NotNegative = 8e-4
    """of the squared steps between neighbouring scores"""
    sparse_weight: NotNegative = 8e-3
    """of the norm of all scores of abnormal videos"""


METHOD = Method(
    title="MGFN 2023",
    year=2023,
    place=2,
    modalities=("v",),
    pairs=True,
    published="MGFN",
    settings=MgfnSettings,
)
