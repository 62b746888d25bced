"""MACIL-SD 2022: facts and settings. No torch here."""

from __future__ import annotations

from typing import Literal

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Section, Share


class MacilSdSettings(Section):
    dropout: Share = 0.1
    """in attention, behind it and in the feed-forward part"""
    contrast_weight: NotNegative = 1.5
    """of the contrastive terms at most; it gains 0.1 an epoch"""
    initialisation: Literal["published", "xavier"] = "published"
    """of the attention: four copies of one linear layer, or Xavier without biases, as runs from before this key have"""
    swapped: bool = False
    """as in the public training: a modality's scores pick rows of the other one"""


METHOD = Method(
    title="MACIL-SD 2022",
    year=2022,
    place=2,
    modalities=("va",),
    published="MACIL-SD",
    settings=MacilSdSettings,
    switches={"peers.macil_sd.swapped": True, "peers.macil_sd.initialisation": "xavier"},
    later_keys={"initialisation": "xavier"},
)
