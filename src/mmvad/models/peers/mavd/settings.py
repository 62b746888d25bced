"""MAVD 2025: facts and settings. No torch here."""

from __future__ import annotations

from typing import Literal

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Section


class MavdSettings(Section):
    alignment_weight: NotNegative = 10.0
    """of what the sound's rows are like the picture's"""
    fusion_weight: NotNegative = 10.0
    """of the joint network's bag loss"""
    triplet_weight: NotNegative = 0.001
    """of the triplet of normal, unsuspicious and suspicious segments"""
    matching: Literal["placed", "gathered"] = "placed"
    """a sound feature lies at the picture feature most like it (paper), or the permutation is read backwards (code)"""
    distance: Literal["rows", "columns"] = "rows"
    """which side of the distance graph has sum 1; the public code's has its columns"""


METHOD = Method(
    title="MAVD 2025",
    year=2025,
    place=1,
    modalities=("va",),
    published="MAVD with flow",
    settings=MavdSettings,
    switches={"peers.mavd.matching": "gathered", "peers.mavd.distance": "columns"},
)
