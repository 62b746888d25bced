"""PLOVAD 2025: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Positive, Section, Share


class PlovadSettings(Section):
    prompt_half: Annotated[int, Field(ge=1, le=32)] = 16
    """learned prompt vectors on either side of the class name"""
    dropout: Share = 0.6
    """on the attention of the graph"""
    seen: Share = 0.55
    """share of a video's segments, those of largest norm, whose neighbourhoods the graph has"""
    norm: Literal["features", "time"] = "features"
    """along what the graph's power-normed output is scaled to length 1; `time` as in the public code"""
    temperature: Positive = 0.09
    """of the alignment, before training"""
    class_weight: NotNegative = 1.0
    """of the class loss"""


METHOD = Method(
    title="PLOVAD 2025",
    year=2025,
    place=1,
    modalities=("vt",),
    classes=True,
    settings=PlovadSettings,
    switches={"peers.plovad.norm": "time"},
    published_scores={"ap": "coarse", "auc": "coarse"},
)
