"""LaGoVAD 2026, without its data: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Section, Share


class LaGoVadSettings(Section):
    layers: Count = 2
    """of the temporal encoder"""
    window: Annotated[int, Field(ge=1)] = 25
    """segments that a segment attends to, itself in the middle"""
    fusion_layers: Count = 2
    """in which video and class texts read each other"""
    prompt_half: Annotated[int, Field(ge=1, le=32)] = 16
    """learned prompt vectors on either side of the class name"""
    dropout: Share = 0.1
    """in the temporal encoder and in the feed-forward parts of the fusion"""
    class_weight: NotNegative = 1.0
    """of the class loss"""
    synthesis: bool = False
    """train on videos put among stretches of normal ones of the batch, and on which segments are whose"""
    clips: Count = 5
    """most clips of such a video, its own among them"""
    alone: Share = 0.3
    """share of the videos that stay alone, besides those whose draw of clips is 1"""


METHOD = Method(
    title="LaGoVAD 2026, without its data",
    year=2026,
    place=1,
    modalities=("vt",),
    classes=True,
    settings=LaGoVadSettings,
    switches={"peers.lagovad.synthesis": True},
    published_scores={"ap": "coarse", "auc": "coarse"},
)
