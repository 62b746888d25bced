"""GODS 2019: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Section


class GodsSettings(Section):
    hyperplanes: Count = 2
    """in each of the two orthonormal frames"""
    eta: NotNegative = 0.01
    """how far normal segments shall lie inside"""
    spread_weight: NotNegative = 0.001
    """of the squared distances of normal segments from all hyperplanes"""
    iterations: Count = 300
    """of the fit"""
    samples: Annotated[int, Field(ge=2)] = 5000
    """normal segments that it is fitted on, drawn from the seed"""


METHOD = Method(
    title="GODS 2019",
    year=2019,
    modalities=("v",),
    reconstruction=True,
    supervision="unsupervised",
    published="GODS",
    settings=GodsSettings,
)
