"""Towers as public code runs them: a frame decoded, prepared by the library itself, and through the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import resampy
import torch
from torch import Tensor

from mmvad.extraction.crops import Preprocessing
from tests.plain.extraction import waveform

Transform = Callable[[Sequence[Any]], Tensor]
"""PIL images of a row to what the network takes of one."""


def transform_of(tower: str, how: Preprocessing) -> Transform:
    """The library's own, of open_clip, timm or torchvision."""
    family, _, name = tower.partition("/")
    if family == "torchvision":
        from torchvision import models
        from torchvision.transforms.functional import pil_to_tensor

        of_videos = models.get_model_weights(name).DEFAULT.transforms()
        return lambda images: of_videos(torch.stack([pil_to_tensor(image) for image in images]))
    if family == "timm":
        import timm

        config = timm.data.resolve_data_config(model=timm.create_model(name, pretrained=False))
        of_timm = timm.data.create_transform(**config)
        return lambda images: of_timm(images[0])
    from open_clip.transform import PreprocessCfg, image_transform_v2

    told = PreprocessCfg(
        size=how.size, mean=how.mean, std=how.deviation, interpolation=how.interpolation, resize_mode=how.mode
    )
    of_open_clip = image_transform_v2(told, is_train=False)
    return lambda images: of_open_clip(images[0])


@torch.inference_mode()
def pictures(path: Path, network: Any, transform: Transform, frames: int) -> np.ndarray:
    """[n, d], of whole snippets of 16 frames: of each the ninth one or all (`frames` is 1 or 16), a row a call."""
    rows, kept = [], list[Any]()
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for nth, frame in enumerate(container.decode(video=0)):
            if frames == 16 or nth % 16 == 8:
                kept.append(frame.to_image())
            if len(kept) == frames:
                found = network(transform(kept)[None])
                rows.append((found[0] if isinstance(found, tuple) else found)[0].numpy())
                kept = []
    return np.stack(rows)


@torch.inference_mode()
def clap(path: Path, network: Any, features: Any, seconds: Sequence[float], window: float) -> np.ndarray:
    """[n, d]: CLAP of the `window` seconds of sound before each of these seconds, silence around the file."""
    samples, rate = waveform(path)
    wanted = features.sampling_rate
    mono = samples.mean(axis=1)
    mono = mono if rate == wanted else resampy.resample(mono, rate, wanted)
    size = round(window * wanted)
    padded, rows = np.concatenate([np.zeros(size), mono, np.zeros(size)]), []
    for second in seconds:
        end = round(second * wanted) + size
        inputs = features(padded[end - size : end], sampling_rate=wanted, return_tensors="pt")
        spectrogram = inputs["input_features"].float()
        rows.append(network(input_features=spectrogram, is_longer=inputs["is_longer"]).audio_embeds[0].numpy())
    return np.stack(rows)
