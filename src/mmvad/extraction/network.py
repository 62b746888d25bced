"""A torch module as a tower of pictures: what the built-in towers are, and a short way to one of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmvad.extraction.crops import Preprocessing
from mmvad.models.clip_weights import state_hash


class ImageNetwork:
    """A network of pictures with its preprocessing: a `VisualTower`.

    Args:
        network: pictures [N, 3, size, size] to rows [N, width]; of several frames, [N, 3, frames, size, size].
        frames: of a snippet's 16 that a row is made of.
    """

    def __init__(
        self, name: str, network: nn.Module, how: Preprocessing, device: torch.device, width: int, frames: int = 1
    ) -> None:
        self.name, self.how, self.device = name, how, device
        self.width, self.frames, self.size = width, frames, how.size
        self.network: Any = network.float().requires_grad_(False).eval()
        self.weights_sha256 = state_hash(self.network)
        self.preprocessing = how.in_words()
        self.network.to(device)
        self._mean, self._deviation = (
            torch.tensor(values, device=device)[:, None, None] for values in (how.mean, how.deviation)
        )

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] to uint8 [size, size, 3]."""
        return self.how.crop(frame)

    def encode(self, pictures: np.ndarray) -> Tensor:
        """uint8 [N, size, size, 3] to [N, width]; of several frames uint8 [N, frames, size, size, 3]."""
        pixels = torch.from_numpy(pictures).to(self.device).movedim(-1, 1 if self.frames == 1 else 2)
        normal = (pixels.float() / 255 - self._mean) / self._deviation
        found = self.network(normal if self.frames == 1 else normal.transpose(1, 2))
        return found[0] if isinstance(found, tuple) else found
