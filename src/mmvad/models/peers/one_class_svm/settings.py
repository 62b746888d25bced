"""One-class SVM: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import Section


class OneClassSvmSettings(Section):
    outliers: Annotated[float, Field(gt=0, le=1)] = 0.1
    """share of the normal segments that may lie outside, nu"""
    samples: Annotated[int, Field(ge=2)] = 5000
    """normal segments that it is fitted on, drawn from the seed"""


METHOD = Method(
    title="One-class SVM",
    place=2,
    modalities=("v",),
    supervision="unsupervised",
    published="OC-SVM",
    settings=OneClassSvmSettings,
)
