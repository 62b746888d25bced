"""BN-WVAD 2024: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Section

ShareOrAll = Annotated[float, Field(ge=0, le=1)]


class BnWvadSettings(Section):
    width: Annotated[int, Field(ge=32, multiple_of=4)] = 512
    """of the attention blocks, four heads together; the head narrows it to a 16th and a 32nd"""
    of_video: ShareOrAll = 0.2
    """share of an abnormal video's segments that are taken as abnormal, by distance"""
    of_batch: ShareOrAll = 0.4
    """share of all segments of a batch's abnormal videos that are taken as well"""
    divergence_weight: NotNegative = 1.0
    """of the triplet losses on distances"""
    distance: Literal["rows", "columns"] = "rows"
    """what has sum 1 in the graph of distances: each row, or each column, as in the public code"""


METHOD = Method(
    title="BN-WVAD 2024",
    year=2024,
    place=4,
    modalities=("v", "va"),
    pairs=True,
    published="BN-WVAD",
    settings=BnWvadSettings,
    switches={"peers.bn_wvad.distance": "columns"},
)
