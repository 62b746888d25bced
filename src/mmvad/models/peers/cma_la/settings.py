"""CMA-LA 2022: facts and settings. No torch here."""

from __future__ import annotations

from typing import Literal

from mmvad.models.method import Method
from mmvad.sections import Section, Share


class CmaLaSettings(Section):
    dropout: Share = 0.1
    """in the feed-forward part"""
    sigmoids: Literal["two", "one"] = "two"
    """of a bag's score: of every segment and of their mean (as its public code does), or of every segment alone"""


METHOD = Method(
    title="CMA-LA 2022",
    year=2022,
    place=4,
    modalities=("va",),
    published="CMA-LA",
    settings=CmaLaSettings,
    switches={"peers.cma_la.sigmoids": "one"},
)
