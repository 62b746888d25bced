"""DSANet 2026: facts and settings. No torch here."""

from __future__ import annotations

from typing import Literal

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Positive, Section, Share


class DsaNetSettings(Section):
    layers: Count = 1
    """attention layers"""
    window: Count = 64
    """attention window, in segments; windows do not overlap"""
    class_names: Literal["words", "published"] = "words"
    """what stands in the prompts: names as words, or the public code's, whose UCF-Crime has `roadaccidents`"""
    adapted_blocks: Count = 1
    """first blocks of the text tower that have an adapter"""
    adapter_share: Share = 0.6
    """how much of a block's output the adapter makes"""
    prototypes: Count = 16
    """learned rows that ask a video for its normal patterns"""
    decoder_layers: Count = 8
    """blocks that rebuild a video from them"""
    normal_share: Share = 0.8
    """share of a video's segments, the lowest scored, that are asked"""
    temperature: Positive = 1.0
    """of both branches where they are joined to class probabilities"""
    class_weight: NotNegative = 5.0
    """of the class loss"""


METHOD = Method(
    title="DSANet 2026",
    year=2026,
    modalities=("vt",),
    classes=True,
    published="DSANet",
    settings=DsaNetSettings,
    positions_end_at_length=True,
    switches={"peers.dsanet.class_names": "published"},
    published_scores={"ap": "coarse", "auc": "coarse"},
)
