"""MSAF 2022: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.sections import NotNegative, Section, Share


class MsafSettings(Section):
    dropout: Share = 0.6
    """behind every hidden layer"""
    attention_weight: NotNegative = 1.0
    """of the attention's cross-entropy with the refined labels"""
    start_share: Share = 0.4
    """how much of the training refines labels before the fusion learns them"""


METHOD = Method(
    title="MSAF 2022",
    year=2022,
    place=6,
    modalities=("va", "v"),
    reconstruction=True,
    published="MSAF",
    settings=MsafSettings,
)
