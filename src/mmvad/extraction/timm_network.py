"""timm's networks of pictures without their heads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from mmvad.errors import UserError, nearest_name
from mmvad.extraction.crops import Preprocessing
from mmvad.extraction.network import ImageNetwork
from mmvad.models.clip_weights import RANDOM_WEIGHTS_SEED, fitting, read_state

WHERE, WEIGHTS = "--visual-tower: timm/", "--visual-weights"
_MODES: dict[str, Any] = {"center": "shortest", "squash": "squash", "border": "longest"}


def build_timm_network(name: str, weights: str, device: torch.device) -> ImageNetwork:
    """A network of timm; its rows are what its head would see, pooled.

    Args:
        name: of `timm.list_models()`, with or without the tag of its weights (`vit_small_patch16_224.dino`).
        weights: `published` (those of the tag, from a network or a cache), `random` (the same everywhere), or a file.

    Raises UserError where there is no such network or the weights cannot be had.
    """
    import timm

    if not timm.is_model(name.partition(".")[0]):
        near = nearest_name(name, timm.list_models())
        raise UserError(f"{WHERE}{name}", "timm has no such network", nearest=near and f"timm/{near}")
    network = _made(name, weights)
    if weights not in ("random", "published"):
        expected = f"a checkpoint of {name} in timm's own names"
        state = read_state(Path(weights), WEIGHTS, expected, f"set {WEIGHTS}=published where there is a network")
        problem = f"weights do not fit timm/{name}"
        fix = f"give the checkpoint of {name}, or change --visual-tower"
        network.load_state_dict(fitting(state, network.state_dict(), f"{WEIGHTS}: {weights}", problem, fix))
    width = getattr(network, "head_hidden_size", None) or network.num_features
    return ImageNetwork(f"{name} (timm)", network, _preprocessing(network, name), device, width)


def _made(name: str, weights: str) -> Any:
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        try:
            return timm.create_model(name, pretrained=weights == "published", num_classes=0)
        except Exception as error:
            known = ", ".join(timm.list_pretrained(f"{name.partition('.')[0]}*")[:6]) or "none are published"
            raise UserError(
                f"{WHERE}{name}",
                f"{weights} weights could not be had ({type(error).__name__}: {str(error).splitlines()[0][:120]})",
                expected=f"a network, or weights fetched before; of: {known}",
                fix=f"set {WEIGHTS} to a local file, or random",
            ) from error


def _preprocessing(network: Any, name: str) -> Preprocessing:
    """What timm's own transform for evaluation does."""
    from timm.data import resolve_data_config

    how = resolve_data_config(model=network)
    height, width = how["input_size"][1:]
    if height != width or how["interpolation"] not in ("bicubic", "bilinear"):
        expected = "square ones, bicubic or bilinear"
        raise UserError(
            f"{WHERE}{name}", f"takes pictures of {height} x {width}, {how['interpolation']}", expected=expected
        )
    mode = _MODES[how.get("crop_mode") or "center"]
    return Preprocessing(
        size=height,
        resize=math.floor(height / how["crop_pct"]),
        mode=mode,
        interpolation=how["interpolation"],
        mean=tuple(how["mean"]),
        deviation=tuple(how["std"]),
        fill=tuple(round(255 * x) for x in how["mean"]) if mode == "longest" else 0,
    )
