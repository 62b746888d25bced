"""AnomalyCLIP 2024: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Section, Share


class AnomalyClipSettings(Section):
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 256
    """of the temporal network, eight heads together; published 128 on XD-Violence"""
    places: Count = 16
    """rows of a segment: a video of L rows is a grid of L / places segments"""
    context: Annotated[int, Field(ge=1, le=32)] = 8
    """learned prompt vectors in front of the class name, of every class its own"""
    picked: Count = 3
    """segments that speak for a video, the highest and the lowest"""
    hidden: Share = 0.7
    """share of the segments that are hidden from the choice in training"""
    smooth_weight: NotNegative = 8e-4
    """of the steps between neighbouring scores of abnormal videos"""
    sparse_weight: NotNegative = 8e-3
    """of the mean score of abnormal videos"""


METHOD = Method(
    title="AnomalyCLIP 2024",
    year=2024,
    place=6,
    modalities=("vt",),
    pairs=True,
    classes=True,
    settings=AnomalyClipSettings,
    positions_end_at_length=True,
    published_scores={"ap": "coarse", "auc": "coarse"},
)
