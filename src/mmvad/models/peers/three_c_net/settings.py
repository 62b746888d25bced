"""3C-Net 2019: facts and settings. No torch here."""

from __future__ import annotations

from typing import Literal

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Section, Share


class ThreeCNetSettings(Section):
    dropout: Share = 0.7
    """behind each stream's two layers"""
    centre_weight: NotNegative = 1e-3
    """of the centre loss"""
    centre_rate: NotNegative = 0.1
    """step of the centres towards their features, once a batch"""
    centre_scale: Literal["one", "index"] = "one"
    """what a distance counts: all alike (paper), or as the number of its class (public code)"""


METHOD = Method(
    title="3C-Net 2019",
    year=2019,
    modalities=("v", "va"),
    classes=True,
    settings=ThreeCNetSettings,
    switches={"peers.three_c_net.centre_scale": "index"},
)
