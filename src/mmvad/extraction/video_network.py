"""torchvision's networks of videos without their heads: a row of all 16 frames of a snippet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.errors import UserError, nearest_name
from mmvad.extraction.crops import Preprocessing
from mmvad.extraction.network import ImageNetwork
from mmvad.models.clip_weights import RANDOM_WEIGHTS_SEED, fitting, read_state

WHERE, WEIGHTS = "--visual-tower: torchvision/", "--visual-weights"
_HEADS = ("fc", "classifier", "head")


def build_video_network(name: str, weights: str, device: torch.device) -> ImageNetwork:
    """A video network of torchvision, such as `s3d`, `r2plus1d_18`, `mvit_v2_s`, `swin3d_t`.

    Args:
        weights: `published` or a name (`KINETICS400_V1`), from a network or torch's cache; `random`; or a file.

    Raises UserError where there is no such network or the weights cannot be had.
    """
    from torchvision import models

    known = models.list_models(module=models.video)
    if name not in known:
        near = nearest_name(name, known)
        expected = f"one of {', '.join(known)}"
        problem = "torchvision has no such network of videos"
        raise UserError(f"{WHERE}{name}", problem, expected=expected, nearest=near and f"torchvision/{near}")
    published = models.get_model_weights(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        network = models.get_model(name, weights=None)
    chosen = next((w for w in published if w.name == weights), published.DEFAULT)
    if weights != "random":
        network.load_state_dict(_state(name, weights, chosen, network))
    width = _without_head(network)
    how = _preprocessing(chosen.transforms())
    return ImageNetwork(f"{name} (torchvision)", network, how, device, width, frames=SNIPPET_FRAMES)


def _state(name: str, weights: str, chosen: Any, network: nn.Module) -> dict[str, torch.Tensor]:
    if weights in ("published", chosen.name):
        file = Path(torch.hub.get_dir()) / "checkpoints" / chosen.url.rpartition("/")[2]
        try:
            return dict(chosen.get_state_dict(progress=False, check_hash=True))
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{WEIGHTS}: {weights}",
                f"the published weights of {name} could not be fetched ({error})",
                expected=f"a network, or the file at {file}",
                fix=f"fetch {chosen.url} elsewhere and name the file, or random, with {WEIGHTS}",
            ) from error
    state = read_state(
        Path(weights),
        WEIGHTS,
        f"a checkpoint of {name}, or one of {', '.join(w.name for w in type(chosen))}",
        f"fetch {chosen.url}",
    )
    fix = f"give the checkpoint of {name}, or change --visual-tower"
    return fitting(state, network.state_dict(), f"{WEIGHTS}: {weights}", f"weights do not fit torchvision/{name}", fix)


def _without_head(network: Any) -> int:
    """Takes the head off; gives the width of what it saw."""
    named = next(head for head in _HEADS if hasattr(network, head))
    head = getattr(network, named)
    last = [module for module in head.modules() if isinstance(module, nn.Linear | nn.Conv3d)][-1]
    setattr(network, named, nn.Identity())
    return last.in_features if isinstance(last, nn.Linear) else last.in_channels


def _preprocessing(transforms: Any) -> Preprocessing:
    """What torchvision's own transform does."""
    resize = tuple(transforms.resize_size)
    return Preprocessing(
        size=transforms.crop_size[0],
        resize=resize if len(resize) == 2 else resize[0],
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        deviation=tuple(transforms.std),
        antialias=False,
    )
