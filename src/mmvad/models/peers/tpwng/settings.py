"""TPWNG 2024: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Positive, Section


class TpwngSettings(Section):
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.2
    """weight of unlikeness to the normal text in the frame labels"""
    theta: Annotated[float, Field(ge=0, le=1)] = 0.35
    """what makes a frame abnormal; published 0.55 on UCF-Crime"""
    lambda_steps: NotNegative = 0.1
    """weight of the squared steps between neighbouring similarities"""
    lambda_sparsity: NotNegative = 0.01
    """weight of the summed similarities"""
    scale: Positive = 1.0
    """what similarities are multiplied with in the ranking losses; ours: CLIP's own is 100"""
    text_rate: Positive = 1.0
    """learning rate of the text side, as a multiple of the scorer's; ours"""
    vector_rate: Positive = 1.0
    """learning rate of the learned vectors, as a multiple of the text side's; ours"""
    labels: Literal["own", "contrast"] = "own"
    """frame labels: of the similarity with the video's class, or of that less the mean over abnormal classes (ours)"""


METHOD = Method(
    title="TPWNG 2024",
    year=2024,
    place=3,
    modalities=("vt",),
    pairs=True,
    reconstruction=True,
    published="TPWNG",
    settings=TpwngSettings,
    switches={"peers.tpwng.labels": "contrast"},
    later_keys={"scale": 1.0, "text_rate": 1.0, "vector_rate": 1.0, "labels": "own"},
)
