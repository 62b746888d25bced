"""C2FPL 2024: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mmvad.models.method import Method, Variant
from mmvad.sections import Section, Share


class C2fplSettings(Section):
    labels: Literal["clusters", "videos"] = "clusters"
    """which videos count as abnormal: those that clusters say (unsupervised), or those that are labelled so (weak)"""
    dropout: Share = 0.6
    """behind both hidden layers"""
    moved: Annotated[float, Field(gt=0, lt=1)] = 0.03
    """share of the videos still normal, the least likely, that each round counts as abnormal"""
    window: Annotated[float, Field(gt=0, le=1)] = 0.2
    """share of an abnormal video's segments that count as abnormal, in one stretch"""


METHOD = Method(
    title="C2FPL 2024",
    year=2024,
    place=5,
    modalities=("v",),
    supervision="unsupervised",
    settings=C2fplSettings,
    variants=(
        Variant(
            key="peers.c2fpl.labels",
            value="videos",
            title="C2FPL 2024, weak labels",
            modalities="v",
            supervision="weak",
        ),
    ),
)
