"""Random scores: facts and settings. No torch here."""

from __future__ import annotations

from mmvad.models.method import Method

METHOD = Method(
    title="Random scores",
    place=1,
    modalities=("v",),
    supervision="none",
    published="Random",
)
