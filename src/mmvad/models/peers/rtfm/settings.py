"""RTFM 2021: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method
from mmvad.models.peers.magnitude_settings import MagnitudeSettings


class RtfmSettings(MagnitudeSettings):
    pass


METHOD = Method(
    title="RTFM 2021",
    year=2021,
    modalities=("v",),
    pairs=True,
    published="RTFM",
    settings=RtfmSettings,
    switches={"peers.rtfm.margin_form": "hinge"},
)
