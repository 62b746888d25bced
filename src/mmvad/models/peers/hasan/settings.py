"""Hasan et al. 2016: facts and settings. No torch here."""

from __future__ import annotations

from typing import Literal

from mmvad.models.method import Method
from mmvad.sections import Section


class HasanSettings(Section):
    scale: Literal["video", "all"] = "video"
    """the error's scale: from 0 to 1 in every video (paper), or one for all, the mean error of a training batch"""


METHOD = Method(
    title="Hasan et al. 2016",
    year=2016,
    modalities=("v",),
    reconstruction=True,
    supervision="unsupervised",
    published="Hasan et al.",
    settings=HasanSettings,
    switches={"peers.hasan.scale": "all"},
)
