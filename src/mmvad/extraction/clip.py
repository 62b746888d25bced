"""The image towers of open_clip's models, by name: CLIP, SigLIP, EVA, MobileCLIP, CoCa, ..."""

from __future__ import annotations

import logging
from typing import Any, cast

import torch
from torch import nn

from mmvad.errors import UserError
from mmvad.extraction.crops import Preprocessing
from mmvad.extraction.network import ImageNetwork
from mmvad.models.clip_weights import RANDOM_WEIGHTS_SEED, is_path, tower_state
from mmvad.models.open_clip_models import (
    check_activation,
    model_config,
    network_name,
    preprocessing_of,
    published_tags,
)

_log = logging.getLogger(__name__)
WHERE, WEIGHTS = "--clip-architecture", "--clip-weights"


def build_image_encoder(architecture: str, weights: str, width: int, device: torch.device) -> ImageNetwork:
    """The image tower of an open_clip model; its rows are `encode_image` without normalisation.

    Args:
        architecture: a name of `open_clip.list_models()`, or `tiny` (2 layers, width 128).
        weights: `random` (the same ones everywhere), a name that open_clip knows (`openai`), or a local file; TAG=FILE
            says of which published weights the file is, for models whose weights want different preprocessing.
        width: of the features of `tiny`; the others have their own.

    Raises UserError where there is no such model or the weights cannot be had.
    """
    config = model_config(architecture, WHERE)
    if architecture == "tiny":
        config["embed_dim"] = width
    tag, file = split_weights(architecture, weights)
    check_activation(architecture, tag or "", WHERE)
    how = _preprocessing(architecture, tag, file, config)
    tower = _tower(config)
    if weights != "random":
        _log.info("reading CLIP's weights %r", weights)  # by name it may take a minute
        tower.load_state_dict(tower_state(architecture, file or weights, tower.state_dict(), "visual", WEIGHTS))
    return ImageNetwork(network_name(architecture), tower, how, device, config["embed_dim"])


def usual_tag(architecture: str) -> str:
    """The weights of a model where none are named: OpenAI's where it published some, else the only ones.

    Raises UserError where there are others, and more than one.
    """
    tags = published_tags(architecture)
    if "openai" in tags or len(tags) < 2:
        return "openai" if len(tags) != 1 else tags[0]
    problem = f"{len(tags)} weights of {architecture} are published, none by OpenAI"
    raise UserError(WEIGHTS, problem, expected=f"one of {', '.join(tags)}; a local file; or random")


def split_weights(architecture: str, weights: str) -> tuple[str | None, str | None]:
    """The published name and the file that an option names, either of which may be missing."""
    tags = published_tags(architecture)
    tag, _, file = weights.partition("=")
    if file and tag in tags:
        return tag, file
    return (weights, None) if weights in tags else (None, weights if is_path(weights) else None)


def _preprocessing(architecture: str, tag: str | None, file: str | None, config: dict[str, Any]) -> Preprocessing:
    """How the weights want their pictures. Raises UserError for a file of which that cannot be told."""
    ways = preprocessing_of(architecture, tag)
    if file and len(ways) > 1:
        raise UserError(
            f"{WEIGHTS}: {file}",
            f"the published weights of {architecture} want their pictures in {len(ways)} different ways",
            expected=f"of which of them the file is, as TAG=FILE: {', '.join(published_tags(architecture))}",
        )
    way = ways[0]
    return Preprocessing(
        size=config["vision_cfg"].get("image_size", 224),
        mode=way["resize_mode"],
        interpolation=way["interpolation"],
        mean=tuple(way["mean"]),
        deviation=tuple(way["std"]),
        fill=way["fill_color"],
    )


def _tower(config: dict[str, Any]) -> nn.Module:
    from open_clip.model import _build_vision_tower

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        made = _build_vision_tower(config["embed_dim"], config["vision_cfg"], bool(config.get("quick_gelu")))
    return cast(nn.Module, made)
