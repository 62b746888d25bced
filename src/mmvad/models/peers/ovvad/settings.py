"""OVVAD 2024: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Section


class OvvadSettings(Section):
    prompt_half: Annotated[int, Field(ge=1, le=30)] = 8
    """learned vectors before a class's words, and as many behind them"""
    fine_weight: NotNegative = 1.0
    """of the class loss"""


METHOD = Method(
    title="OVVAD 2024",
    year=2024,
    place=5,
    modalities=("vt",),
    classes=True,
    reconstruction=True,
    published="OVVAD",
    settings=OvvadSettings,
    published_scores={"ap": "coarse", "auc": "coarse"},
)
