"""From a frame to what a network of pictures sees: its own preprocessing, or the ten crops of the public releases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate
from torchvision.transforms import functional as image
from torchvision.transforms.functional import InterpolationMode

SIDE = 224
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
_OWN = "0: the network's own preprocessing"
_OPEN_CLIP = "0: open_clip's own: shortest side to 224, bicubic, centre"
"""In the words of the folders that were made when CLIP at 224 was the only network."""


@dataclass(frozen=True)
class Preprocessing:
    """From a frame to a square picture, and the numbers that normalise it: (x / 255 - mean) / deviation.

    Attributes:
        size: the side of the square.
        resize: to what the frame is brought first; 0 is `size`; two numbers are its height and its width.
        mode: whether `resize` is the frame's shortest side, its longest (the rest is `fill`), or both (`squash`).
        antialias: as PIL, open_clip and timm do; torchvision's video networks were trained without.
    """

    size: int = SIDE
    resize: int | tuple[int, int] = 0
    mode: Literal["shortest", "longest", "squash"] = "shortest"
    interpolation: str = "bicubic"
    mean: tuple[float, ...] = CLIP_MEAN
    deviation: tuple[float, ...] = CLIP_DEVIATION
    fill: int | tuple[int, ...] = 0
    antialias: bool = True

    def crop(self, frame: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] to uint8 [size, size, 3]."""
        shape, method = self._shape(*frame.shape[:2]), InterpolationMode(self.interpolation)
        if self.antialias:
            resized = image.resize(Image.fromarray(frame), shape, method)
            return np.array(image.center_crop(self._filled(resized), [self.size]))
        pixels = torch.from_numpy(frame).permute(2, 0, 1)
        cut = image.center_crop(image.resize(pixels, shape, method, antialias=False), [self.size])
        return cut.permute(1, 2, 0).contiguous().numpy()

    def in_words(self) -> str:
        """What is done to a frame, for `features.json`."""
        to = self.resize or self.size
        target = f"{to[0]} x {to[1]}" if isinstance(to, tuple) else f"{to} x {to}" if self.mode == "squash" else to
        sides = "frame" if self.mode == "squash" or isinstance(to, tuple) else f"{self.mode} side"
        how = self.interpolation + ("" if self.antialias else ", not antialiased")
        filled = f", the rest {self.fill}" if self.mode == "longest" else ""
        mean, deviation = (", ".join(f"{x:.6g}" for x in values) for values in (self.mean, self.deviation))
        return f"{sides} to {target}, {how}{filled}, centre {self.size}; mean {mean}; deviation {deviation}"

    def _shape(self, height: int, width: int) -> list[int]:
        """What torchvision's `resize` takes."""
        to = self.resize or self.size
        if isinstance(to, tuple):
            return [*to]
        if self.mode == "longest":
            ratio = max(height, width) / to
            return [max(round(height / ratio), 1), max(round(width / ratio), 1)]
        return [to, to] if self.mode == "squash" else [to]

    def _filled(self, picture: Any) -> Any:
        """The picture with a margin where it is smaller than the crop; of the other modes black comes of itself."""
        if self.mode != "longest":
            return picture
        lacking = [max(self.size - side, 0) for side in picture.size]
        margins = [lacking[0] // 2, lacking[1] // 2, (lacking[0] + 1) // 2, (lacking[1] + 1) // 2]
        return image.pad(picture, margins, fill=self.fill)


def crop_frame(frame: np.ndarray, crops: int, prepare: Callable[[np.ndarray], np.ndarray], size: int) -> np.ndarray:
    """The frame's crops, uint8 [`crops`, size, size, 3], of a frame uint8 [H, W, 3]; `crops` is 1 or 10."""
    return prepare(frame)[None] if crops == 1 else ten_crops(frame, size)


def ten_crops(frame: np.ndarray, size: int = SIDE) -> np.ndarray:
    """uint8 [10, size, size, 3], the crops of the public releases; the frame grows and shrinks with them.

    The frame is resized whatever its shape, bilinear between the four nearest pixels, as the releases' code does.
    """
    width, height = _ten_frame(size)
    pixels = torch.from_numpy(frame).permute(2, 0, 1)[None].double()
    resized = interpolate(pixels, (height, width), mode="bilinear", align_corners=False)
    # half a level goes up, as in OpenCV, which the releases used; the millionth decides ties alike everywhere
    whole = (resized[0].permute(1, 2, 0) + 0.500001).floor().to(torch.uint8).numpy()
    top, left, bottom, right = (height - size) // 2, (width - size) // 2, height - size, width - size
    corners = [(top, left), (0, 0), (0, right), (bottom, 0), (bottom, right)]
    plain = np.stack([whole[y : y + size, x : x + size] for y, x in corners])
    return np.concatenate([plain, plain[:, :, ::-1]])


def crop_policy(crops: int, size: int = SIDE, *, clip: bool = True) -> str:
    """What the crops are, in the words of the manifest; `clip` where one crop is open_clip's own at 224."""
    if crops == 1:
        return _OPEN_CLIP if clip else _OWN
    width, height = _ten_frame(size)
    return (
        f"frames to {width} x {height}, bilinear; 0 centre, 1 top left, 2 top right, 3 bottom left, 4 bottom right; "
        "5 to 9 the same mirrored"
    )


def _ten_frame(size: int) -> tuple[int, int]:
    """Width and height that the ten crops are cut from: 340 x 256 for crops of 224."""
    return round(340 * size / SIDE), round(256 * size / SIDE)
