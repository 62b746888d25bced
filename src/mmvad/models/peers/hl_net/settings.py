"""HL-Net 2020: facts and settings. No torch here."""

from __future__ import annotations

from typing import Literal

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Section, Share


class HlNetSettings(Section):
    dropout: Share = 0.6
    """after each layer of the fusion and of the graphs"""
    distillation_weight: NotNegative = 5.0
    """of what the graph branches teach the online head"""
    score: Literal["offline", "online"] = "offline"
    """which head is reported; the online one sees the past alone"""


METHOD = Method(
    title="HL-Net 2020",
    year=2020,
    modalities=("va", "v"),
    published="HL-Net (Wu et al.)",
    settings=HlNetSettings,
    switches={"peers.hl_net.score": "online"},
)
