"""S3R 2022: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mmvad.models.method import Method
from mmvad.models.peers.magnitude_settings import MagnitudeSettings


class S3rSettings(MagnitudeSettings):
    atoms: Annotated[float, Field(gt=0, le=1)] = 0.5
    """of the dictionary, as a share of the normal training videos, r"""


METHOD = Method(
    title="S3R 2022",
    year=2022,
    place=1,
    modalities=("v",),
    pairs=True,
    published="S3R",
    settings=S3rSettings,
    switches={"peers.s3r.margin_form": "hinge", "data.segments": "bins"},
)
