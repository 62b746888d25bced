"""How features are made, in plain JSON values: the content of `features.json`, and what a bank keeps of it.

Folders and banks from before there were other towers say nothing of what CLIP at 224 and VGGish had in common; so it is
said of other towers only.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import mmvad
from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.extraction.clap import is_hub_name
from mmvad.extraction.container import decoder_version
from mmvad.extraction.crops import Preprocessing, crop_policy
from mmvad.extraction.loading import PUBLISHED, visual_weights
from mmvad.extraction.settings import CLAP, TINY, VGGISH, ExtractionSettings
from mmvad.extraction.towers import AudioTower, VisualTower
from mmvad.models.open_clip_models import network_name

_PACKAGES = ("torch", "open_clip_torch", "torchvggish", "resampy")
_PLAIN = Preprocessing().in_words()


def describe(
    settings: ExtractionSettings, image: VisualTower, sound: AudioTower | None, precision: str
) -> dict[str, Any]:
    """Plain JSON values: what decides the features, and the versions of what computes them."""
    family = settings.visual_tower.partition("/")[0]
    packages = [*_PACKAGES, *({family} & {"timm", "torchvision"})]
    packages += ["transformers"] if sound and settings.audio_tower == CLAP else []
    return {
        "visual": _visual(settings, image, precision),
        "audio": sound and _audio(settings, sound, precision),
        "versions": {"mmvad": mmvad.__version__, **decoder_version(), **{name: version(name) for name in packages}},
    }


def _visual(settings: ExtractionSettings, image: VisualTower, precision: str) -> dict[str, Any]:
    clip = image.name == network_name(settings.visual_tower)
    plain = clip and image.preprocessing == _PLAIN
    return {
        "network": image.name,
        "width": image.width,
        "weights": Path(visual_weights(settings)).name,
        "weights_sha256": image.weights_sha256,
        "precision": precision,
        "snippet_frames": SNIPPET_FRAMES,
        "sampling": settings.sampling if image.frames == 1 else f"{image.frames} frames",
        "crops": settings.crops,
        "crop_policy": crop_policy(settings.crops, image.size, clip=plain),
        **({} if clip else {"tower": settings.visual_tower}),
        **({} if plain else {"preprocessing": image.preprocessing}),
        **getattr(image, "facts", {}),
    }


def _audio(settings: ExtractionSettings, sound: AudioTower, precision: str) -> dict[str, Any]:
    facts = dict(getattr(sound, "facts", {}))
    seconds = facts.pop("window_seconds", sound.window / sound.rate)
    return {
        "network": sound.name,
        "width": sound.width,
        "weights": _sound_weights(settings),
        "weights_sha256": sound.weights_sha256,
        **facts,
        "precision": precision,
        "sample_rate": sound.rate,
        "window_seconds": seconds,
        "window": settings.audio_window,
        "track": settings.audio_track,
        **({} if settings.audio_tower == VGGISH else {"tower": settings.audio_tower}),
    }


def _sound_weights(settings: ExtractionSettings) -> str:
    """Their name: of a path its end, which says enough beside the hash, and of Hugging Face's the whole."""
    if settings.audio_tower == TINY:
        return "random"
    named = settings.audio_weights or PUBLISHED
    return named if settings.audio_tower == CLAP and is_hub_name(named) else Path(named).name
