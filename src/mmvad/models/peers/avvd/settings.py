"""AVVD 2022: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.models.peers.hl_net.settings import HlNetSettings
from mmvad.sections import NotNegative


class AvvdSettings(HlNetSettings):
    fine_weight: NotNegative = 1.0
    """of the class loss"""


METHOD = Method(
    title="AVVD 2022",
    year=2022,
    place=3,
    modalities=("va", "v"),
    classes=True,
    reconstruction=True,
    published="AVVD",
    settings=AvvdSettings,
    switches={"peers.avvd.score": "online"},
    published_scores={"ap": "coarse", "auc": "coarse"},
)
