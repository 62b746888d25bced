"""The towers that some settings name, ready to run on a device."""

from __future__ import annotations

from typing import Any

import torch

from mmvad.errors import UserError, nearest_name
from mmvad.extraction.clip import build_image_encoder, usual_tag
from mmvad.extraction.settings import CLAP, TINY, VGGISH, VGGISH_WINDOWS, ExtractionSettings
from mmvad.extraction.towers import AudioTower, VisualTower, check_tower
from mmvad.system.own_code import own_module

VISUAL, AUDIO = "--visual-tower", "--audio-tower"
PUBLISHED = "published"


def visual_tower(settings: ExtractionSettings, device: torch.device) -> VisualTower:
    """The tower of pictures. Raises UserError where there is none of that name or its weights cannot be had."""
    named, weights = settings.visual_tower, visual_weights(settings)
    family, _, name = named.partition("/")
    tower: VisualTower
    if is_own(named):
        tower = _own(named, settings.visual_weights, device, "visual")
    elif family == "timm":
        from mmvad.extraction.timm_network import build_timm_network

        tower = build_timm_network(name, weights, device)
    elif family == "torchvision":
        from mmvad.extraction.video_network import build_video_network

        tower = build_video_network(name, weights, device)
    else:
        tower = build_image_encoder(named, weights, settings.tiny_width, device)
    if settings.sampling == "mean" and tower.frames > 1:
        problem = f"is for networks of single pictures; {named} makes a row of {tower.frames} frames"
        raise UserError("--sampling: mean", problem, fix="leave out --sampling")
    return tower


def audio_tower(settings: ExtractionSettings, device: torch.device) -> AudioTower:
    """The tower of sound. Raises UserError where there is none of that name or its weights cannot be had."""
    named = settings.audio_tower
    if named not in VGGISH_WINDOWS and settings.audio_window == "tick":
        raise UserError("--audio-window: tick", f"is the grid of {VGGISH}, not of {named}", expected="end")
    if named != VGGISH and settings.vggish_pca:
        raise UserError("--vggish-pca", f"is the post-processing of {VGGISH}, not of {named}")
    if named != CLAP and settings.audio_seconds is not None:
        raise UserError("--audio-seconds", f"is for {CLAP}; windows of {named} have a length of their own")
    if is_own(named):
        tower: AudioTower = _own(named, settings.audio_weights, device, "audio")
        return tower
    if named == CLAP:
        from mmvad.extraction.clap import build_clap

        return build_clap(settings.audio_weights or PUBLISHED, settings.audio_seconds, device)
    if named not in VGGISH_WINDOWS:
        known = (VGGISH, CLAP, TINY)
        expected, near = f"{', '.join(known)}, or MODULE:FACTORY", nearest_name(named, known)
        raise UserError(f"{AUDIO}: {named}", "no such tower", expected=expected, nearest=near)
    from mmvad.extraction.vggish import build_audio_encoder, build_tiny_encoder

    if named == TINY:
        if settings.audio_weights not in (None, "random"):
            problem = f"has random weights; {settings.audio_weights!r} were named for it"
            raise UserError(f"{AUDIO}: {named}", problem, fix="leave out --audio-weights")
        return build_tiny_encoder(device)
    return build_audio_encoder(settings.audio_weights or PUBLISHED, settings.vggish_pca, device)


def is_own(named: str) -> bool:
    """Whether a tower's name is that of a factory of one's own."""
    return ":" in named


def visual_weights(settings: ExtractionSettings) -> str:
    """Which weights of the tower of pictures are taken: those that are named, or the usual ones; none of one's own."""
    named = settings.visual_tower
    if is_own(named):
        return ""
    if settings.visual_weights:
        return settings.visual_weights
    return PUBLISHED if named.startswith(("timm/", "torchvision/")) else usual_tag(named)


def _own(named: str, weights: str | None, device: torch.device, kind: str) -> Any:
    """What a factory of one's own makes. Raises UserError where it is not there, fails, or makes something else."""
    where = f"{VISUAL if kind == 'visual' else AUDIO}: {named}"
    if weights:
        raise UserError(
            where, f"loads its own weights; {weights!r} were named for it", fix=f"leave out --{kind}-weights"
        )
    module_name, _, attribute = named.partition(":")
    module = own_module(module_name, where, attribute, "FACTORY")
    factory = getattr(module, attribute, None)
    if not callable(factory):
        own = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        near = nearest_name(attribute, own)
        problem = f"{module_name} has no factory {attribute!r}" if factory is None else f"{attribute} cannot be called"
        raise UserError(where, problem, expected="a function of a device", nearest=near and f"{module_name}:{near}")
    try:
        tower = factory(device)
    except UserError:
        raise
    except Exception as error:
        problem = f"its factory failed: {type(error).__name__}: {error}"
        raise UserError(where, problem, expected="a tower, of factory(device)") from error
    check_tower(tower, kind, where)
    return tower
