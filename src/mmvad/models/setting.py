"""Where a peer is put to work: the bank's widths, L, the classes' words, the text encoder."""

from __future__ import annotations

from dataclasses import dataclass

from mmvad.models.text_encoder import TextEncoder


@dataclass(frozen=True)
class Setting:
    """What a peer's `build(setting, settings)` gets beside its own section of the configuration.

    Attributes:
        visual_width, audio_width: of the bank's features; audio None where the modalities have no A.
        length: L, segments of a training sample.
        prompts: the words of every class, the normal one first; their number is C.
        encoder: the frozen text encoder; None where the modalities have no T.
    """

    visual_width: int
    audio_width: int | None
    length: int
    prompts: tuple[str, ...]
    encoder: TextEncoder | None
