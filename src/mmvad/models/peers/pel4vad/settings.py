"""PEL4VAD 2024: facts and settings. No torch here."""

from __future__ import annotations

from typing import Literal

from mmvad.models.method import Method
from mmvad.models.peers.pel4vad.concepts import Concepts
from mmvad.sections import Count, NotNegative, Positive, Section


class Pel4VadSettings(Section):
    distance_weight: NotNegative = 0.06
    """w of the attention's distance term exp(-|w (i - j)^2 - b|) before training; published 0.6 on UCF-Crime"""
    distance_bias: NotNegative = 0.02
    """b of it; published 0.2 on UCF-Crime"""
    norm: Literal["none", "features", "time"] = "none"
    """power and L2 norm of what the attention reads: along features on UCF-Crime, along time in the public code"""
    kernel: Count = 3
    """rows that the causal scorer sees; published 9 on UCF-Crime"""
    temperature: Positive = 0.05
    """of the concept loss, before training; published 0.09 on UCF-Crime"""
    lambda_concepts: NotNegative = 1.0
    """weight of the concept loss"""
    concepts: Concepts = ""
    """a file with the words of every class, such as the public code's ucf-concept.json; empty: ours"""


METHOD = Method(
    title="PEL4VAD 2024",
    year=2024,
    place=2,
    modalities=("vt",),
    published="PEL4VAD",
    settings=Pel4VadSettings,
    switches={"peers.pel4vad.norm": "time"},
    later_keys={"concepts": ""},
)
