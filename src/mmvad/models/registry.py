"""Parts that the configuration chooses by name, and where their code stands. No torch here: names are read without it.

A part of one's own is its code and a line here; losses have their own list, `losses/settings.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

FUSIONS: Mapping[str, str] = {
    "gated": "fusion:GatedFusion",
    "concat": "fusion:ConcatFusion",
    "cross_attention": "fusion:CrossAttentionFusion",
    "add": "fusion:AddFusion",
}
"""Subclasses of `Fusion` by `model.fusion`."""


def found(path: str) -> Any:
    """What stands at MODULE:NAME of `mmvad.models`; its module is imported now."""
    module, _, name = path.partition(":")
    return getattr(import_module(f"mmvad.models.{module}"), name)
