"""What is asked of a release, by `mmvad data check` and `mmvad data import` alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AudioPolicy = Literal["required", "optional", "none"]
VGGISH_WIDTH = 128
"""Columns of the sound in public releases."""


@dataclass(frozen=True)
class Options:
    """What to take of a release: widths of the rows, the crops (all if None), and what to do about sound.

    The visual width is the layout's if None, or what most files have where releases of the layout differ; so of
    a user's own benchmark, and there the width of the sound too.
    """

    visual_width: int | None = None
    audio_width: int | None = VGGISH_WIDTH
    crops: tuple[int, ...] | None = None
    audio: AudioPolicy = "required"
