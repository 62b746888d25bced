"""UR-DMU 2023: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import Section, Share


class UrDmuSettings(Section):
    width: Annotated[int, Field(ge=4, multiple_of=4)] = 512
    """of the attention blocks and of the memories, four heads together"""
    dropout: Share = 0.5
    """behind attention and in the feed-forward parts"""
    distance: Literal["rows", "columns"] = "rows"
    """what has sum 1 in the graph of distances: each row, or each column, as in the public code"""


METHOD = Method(
    title="UR-DMU 2023",
    year=2023,
    place=1,
    modalities=("v", "va"),
    pairs=True,
    published="UR-DMU",
    settings=UrDmuSettings,
    switches={"peers.ur_dmu.distance": "columns"},
    later_keys={"distance": "rows"},
)
