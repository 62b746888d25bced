"""CLIP's image tower, frozen: crops of frames to features."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmvad.models.clip_weights import RANDOM_WEIGHTS_SEED, state_hash, tower_state
from mmvad.system.device import autocast

_log = logging.getLogger(__name__)
ARCHITECTURES = ("ViT-B-16-quickgelu", "tiny")
TINY = {"width": 128, "heads": 2, "layers": 2, "patch_size": 32, "pool_type": "avg"}
"""For demonstrations and tests. Untrained, the mean over the patches tells more of a picture than a class token."""


class ImageEncoder:
    """Crops to features, on one device in one precision.

    Attributes:
        width: of the features.
        weights_sha256: of the tower's weights, whatever file they came from.
    """

    def __init__(self, tower: nn.Module, device: torch.device, precision: str) -> None:
        from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

        self.tower: Any = tower.float().requires_grad_(False).eval()
        self.weights_sha256 = state_hash(self.tower)
        self.width: int = self.tower.output_dim  # type: ignore[assignment]
        self.tower.to(device)
        self.device, self.precision = device, precision
        self._mean = torch.tensor(OPENAI_DATASET_MEAN, device=device)[:, None, None]
        self._deviation = torch.tensor(OPENAI_DATASET_STD, device=device)[:, None, None]

    @torch.inference_mode()
    def encode(self, crops: np.ndarray) -> np.ndarray:
        """Features of crops, uint8 [N, 224, 224, 3] to float32 [N, width], not normalised."""
        pixels = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2)
        with autocast(self.device, self.precision):
            features: Tensor = self.tower((pixels.float() / 255 - self._mean) / self._deviation)
        return features.float().cpu().numpy()


def build_image_encoder(
    architecture: str, weights: str, width: int, device: torch.device, precision: str
) -> ImageEncoder:
    """The image encoder.

    Args:
        architecture: `ViT-B-16-quickgelu` (12 layers, width 768, to 512) or `tiny` (2 layers, width 128).
        weights: `random` (the same ones everywhere), a name that open_clip knows (`openai`), or a local file.
        width: of the features of `tiny`; the other one's is 512.

    Raises UserError where the weights cannot be had.
    """
    tower = _tower(architecture, width)
    if weights != "random":
        _log.info("reading CLIP's weights %r", weights)  # by name it may take a minute
        tower.load_state_dict(tower_state(architecture, weights, tower.state_dict(), "visual", "--clip-weights"))
    return ImageEncoder(tower, device, precision)


def _tower(architecture: str, width: int) -> nn.Module:
    from open_clip.transformer import QuickGELU, VisionTransformer

    full = {"width": 768, "heads": 12, "layers": 12, "patch_size": 16, "output_dim": 512}
    sizes: dict[str, Any] = TINY | {"output_dim": width} if architecture == "tiny" else full
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        return VisionTransformer(image_size=224, mlp_ratio=4.0, act_layer=QuickGELU, **sizes)
