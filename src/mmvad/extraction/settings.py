"""How features are made: what a user chooses, and nothing that is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmvad.extraction.snippets import Sampling

AudioWindow = Literal["end", "tick"]
VGGISH, CLAP, TINY = "vggish", "clap", "tiny"
VGGISH_WINDOWS = (VGGISH, TINY)
"""Towers of VGGish's windows, spectrograms and width."""


@dataclass(frozen=True)
class ExtractionSettings:
    """How features are made; the defaults are the public releases' networks and one centre crop.

    Attributes:
        visual_tower: a name of `open_clip.list_models()`, `tiny`, `timm/NAME`, `torchvision/NAME` (a network of
            videos), or `module:factory`.
        visual_weights: `random`, a local file, or a published name: of open_clip a tag (`openai`), of the others
            `published`; None for `openai` or `published`. One's own tower brings its own.
        audio_tower: `vggish`, `clap`, `tiny` (two convolutions with random weights on what VGGish sees), or
            `module:factory`.
        audio_weights: `published`, a local file, or `random`; None for `published`. Of CLAP a folder, or a name at
            Hugging Face, too.
        audio_seconds: of CLAP's windows; None for the 10 s that it was trained on.
        vggish_pca: `published` or a local file for AudioSet's post-processing; None for VGGish's own output.
        sampling: a snippet's centre frame, or the mean over its 16 frames; a network of videos takes all 16.
        crops: 1 (the network's own preprocessing) or 10 (as the public releases).
        audio: whether sound is extracted.
        audio_window: windows that end with their snippet, or torchvggish's grid, joined by time.
        audio_track: counted from 0.
        batch: images a call of the network.
        tiny_width: of the features of `tiny`.
    """

    visual_tower: str = "ViT-B-16-quickgelu"
    visual_weights: str | None = None
    audio_tower: str = VGGISH
    audio_weights: str | None = None
    audio_seconds: float | None = None
    vggish_pca: str | None = None
    sampling: Sampling = "centre"
    crops: Literal[1, 10] = 1
    audio: bool = True
    audio_window: AudioWindow = "end"
    audio_track: int = 0
    device: str = "auto"
    precision: str = "auto"
    batch: int = 32
    tiny_width: int = 128
