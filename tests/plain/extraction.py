"""Extraction as one would write it for a single short clip: everything in memory, one frame after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import resampy
import torch
from open_clip import image_transform
from torchvggish.vggish_input import waveform_to_examples


def decode(path: Path) -> tuple[list[Any], list[float]]:
    """All frames as PIL images, and when they are shown."""
    with av.open(str(path)) as container:
        shown = [(frame.to_image(), float(frame.time)) for frame in container.decode(video=0)]
    return [image for image, _ in shown], [time for _, time in shown]


def waveform(path: Path) -> tuple[np.ndarray, int]:
    """The first track as float32 [n, channels], as soundfile would read it, and its rate."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        to_float = av.AudioResampler(format="flt")
        blocks = [f.to_ndarray()[0] for frame in container.decode(stream) for f in to_float.resample(frame)]
        return np.concatenate(blocks).reshape(-1, stream.channels), stream.rate


def one_crop(image: Any) -> list[torch.Tensor]:
    """What open_clip's own transform makes of a frame."""
    return [image_transform(224, is_train=False)(image)]


def ten_crops(image: Any) -> list[torch.Tensor]:
    """The ten crops, written out; bilinear between the four nearest pixels."""
    pixels = np.asarray(image).astype(np.float64)
    height, width = pixels.shape[:2]
    ys = np.clip((np.arange(256) + 0.5) * height / 256 - 0.5, 0, height - 1)
    xs = np.clip((np.arange(340) + 0.5) * width / 340 - 0.5, 0, width - 1)
    y0, x0 = np.floor(ys).astype(int), np.floor(xs).astype(int)
    y1, x1 = np.minimum(y0 + 1, height - 1), np.minimum(x0 + 1, width - 1)
    fy, fx = (ys - y0)[:, None, None], (xs - x0)[None, :, None]
    rows0 = pixels[y0][:, x0] * (1 - fx) + pixels[y0][:, x1] * fx
    rows1 = pixels[y1][:, x0] * (1 - fx) + pixels[y1][:, x1] * fx
    whole = np.floor(rows0 * (1 - fy) + rows1 * fy + 0.500001).astype(np.uint8)
    centre, left_top, right_top = whole[16:240, 58:282], whole[:224, :224], whole[:224, 116:]
    left_bottom, right_bottom = whole[32:, :224], whole[32:, 116:]
    crops = [centre, left_top, right_top, left_bottom, right_bottom]
    crops += [np.fliplr(crop) for crop in crops]
    mean = np.array([0.48145466, 0.4578275, 0.40821073])
    deviation = np.array([0.26862954, 0.26130258, 0.27577711])
    return [torch.tensor((crop / 255 - mean) / deviation).permute(2, 0, 1).float() for crop in crops]


@torch.no_grad()
def visual(path: Path, tower: Any, sampling: str, crops: int) -> np.ndarray:
    """[crops, n, d]: one call of the network a crop."""
    images, _ = decode(path)
    while len(images) % 16:
        if sampling == "centre" and len(images) % 16 > 8:
            break
        images.append(images[-1])
    features = []
    for start in range(0, len(images), 16):
        chosen = images[start + 8 : start + 9] if sampling == "centre" else images[start : start + 16]
        cut = one_crop if crops == 1 else ten_crops
        rows = [[tower(crop[None])[0].numpy() for crop in cut(image)] for image in chosen]
        features.append(np.mean(rows, axis=0))
    return np.stack(features, axis=1)


@torch.no_grad()
def ticks(path: Path, network: Any) -> np.ndarray:
    """[windows, 128]: torchvggish's own input code on the whole waveform."""
    examples = waveform_to_examples(*waveform(path))
    return np.stack([network(example[None])[0].numpy() for example in examples])


@torch.no_grad()
def ends(path: Path, network: Any, seconds: list[float]) -> np.ndarray:
    """[n, 128]: the 0.975 s of sound before each of these seconds, silence around the file."""
    samples, rate = waveform(path)
    mono = samples.mean(axis=1)
    mono = mono if rate == 16_000 else resampy.resample(mono, rate, 16_000)
    padded = np.concatenate([np.zeros(15_600), mono, np.zeros(160_000)])
    rows = []
    for second in seconds:
        end = round(second * 16_000) + 15_600
        example = waveform_to_examples(padded[end - 15_600 : end], 16_000)
        rows.append(network(example)[0].numpy())
    return np.stack(rows)
