"""From a frame to what CLIP's image tower sees: one centre crop, or the ten crops of the public releases."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate
from torchvision.transforms import functional as image
from torchvision.transforms.functional import InterpolationMode

SIDE = 224
TEN_WIDTH, TEN_HEIGHT = 340, 256
POLICIES = {
    1: "0: open_clip's own: shortest side to 224, bicubic, centre",
    10: "frames to 340 x 256, bilinear; 0 centre, 1 top left, 2 top right, 3 bottom left, 4 bottom right; 5 to 9 the "
    "same mirrored",
}
"""What the crops of each policy are, in the words of the manifest."""


def crop_frame(frame: np.ndarray, crops: int) -> np.ndarray:
    """The frame's crops, uint8 [`crops`, 224, 224, 3], of a frame uint8 [H, W, 3]; `crops` is 1 or 10."""
    return centre_crop(frame)[None] if crops == 1 else ten_crops(frame)


def centre_crop(frame: np.ndarray) -> np.ndarray:
    """uint8 [224, 224, 3]: what open_clip's own preprocessing sees before it normalises."""
    resized = image.resize(Image.fromarray(frame), [SIDE], InterpolationMode.BICUBIC)
    return np.array(image.center_crop(resized, [SIDE]))


def ten_crops(frame: np.ndarray) -> np.ndarray:
    """uint8 [10, 224, 224, 3], the crops of the public releases.

    The frame is resized whatever its shape, bilinear between the four nearest pixels, as the releases' code does.
    """
    pixels = torch.from_numpy(frame).permute(2, 0, 1)[None].double()
    resized = interpolate(pixels, (TEN_HEIGHT, TEN_WIDTH), mode="bilinear", align_corners=False)
    # half a level goes up, as in OpenCV, which the releases used; the millionth decides ties alike everywhere
    whole = (resized[0].permute(1, 2, 0) + 0.500001).floor().to(torch.uint8).numpy()
    top, left = (TEN_HEIGHT - SIDE) // 2, (TEN_WIDTH - SIDE) // 2
    bottom, right = TEN_HEIGHT - SIDE, TEN_WIDTH - SIDE
    corners = [(top, left), (0, 0), (0, right), (bottom, 0), (bottom, right)]
    plain = np.stack([whole[y : y + SIDE, x : x + SIDE] for y, x in corners])
    return np.concatenate([plain, plain[:, :, ::-1]])
