"""CPL-VAD 2026: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Section, Share


class CplVadSettings(Section):
    prompt_half: Annotated[int, Field(ge=1, le=32)] = 10
    """learned prompt vectors on either side of the class name; for the second network one less, behind it alone"""
    drop_path: Share = 0.1
    """share of the videos whose attention, or feed-forward part, is left out of a block in training"""
    gap: Count = 22
    """segments: of a level and threshold, stretches that begin at most so far behind the last one's end are joined"""
    shortest: Count = 5
    """segments: a stretch counts where its end lies farther than this behind its start"""
    agreement: NotNegative = 33.0
    """what the confidences of all levels and thresholds, at most 45, must add up to for a segment to be labelled"""
    flat: Share = 0.95
    """share of a labelled stretch, its middle, whose label is 1; the rest fades out on both sides"""
    embed_weight: NotNegative = 1e-4
    """of the texts' term (not said)"""
    cross_weight: NotNegative = 1.0
    """of the pseudo labels' two terms (not said)"""


METHOD = Method(
    title="CPL-VAD 2026",
    year=2026,
    place=2,
    modalities=("vt",),
    classes=True,
    reconstruction=True,
    published="CPL-VAD",
    settings=CplVadSettings,
    published_scores={"ap": "coarse", "auc": "coarse"},
)
