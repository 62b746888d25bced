"""CLIP-TSA 2023: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mmvad.models.method import Method
from mmvad.models.peers.magnitude_settings import MagnitudeSettings
from mmvad.sections import Count, Positive


class ClipTsaSettings(MagnitudeSettings):
    kept: Annotated[float, Field(gt=0, le=1)] = 0.95
    """share of a video's segments that the gate lets pass, rho"""
    samples: Count = 100
    """noisy choices that a gate is the mean of, in training"""
    narrowing: Literal["published", "xavier"] = "published"
    """how the layers begin that narrow features wider than 512: as torch draws them, or, as runs from before this key
    have it, Xavier without biases"""
    noise: Positive = 0.05
    """standard deviation of the noise on the gate's scores, sigma"""


METHOD = Method(
    title="CLIP-TSA 2023",
    year=2023,
    place=3,
    modalities=("v",),
    pairs=True,
    published="CLIP-TSA",
    settings=ClipTsaSettings,
    switches={"peers.clip_tsa.margin_form": "hinge"},
    later_keys={"narrowing": "xavier"},
)
