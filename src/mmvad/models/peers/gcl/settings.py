"""GCL 2022: facts and settings. No torch here."""

from __future__ import annotations

from typing import Literal

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Section, Share


class GclSettings(Section):
    start: Literal["normal", "steady"] = "normal"
    """the generator starts with segments of normal videos (one-class), or with those near the one before (no labels)"""
    start_share: Share = 0.3
    """how much of the training that takes"""
    steady: NotNegative = 0.7
    """squared distance of unit features of neighbouring segments, up to which they are steady"""
    error_deviations: NotNegative = 1.0
    """standard deviations of a batch's errors above their mean, from where the generator calls a segment abnormal"""
    score_deviations: NotNegative = 0.1
    """the same of the discriminator's scores"""


METHOD = Method(
    title="GCL 2022",
    year=2022,
    place=5,
    modalities=("v",),
    reconstruction=True,
    supervision="unsupervised",
    published="GCL",
    settings=GclSettings,
    switches={"peers.gcl.start": "steady"},
)
