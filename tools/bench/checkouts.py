"""Checkouts of public code beside each other: their modules, unchanged but that `cuda` means the CPU."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import packaging.version
import torch
from torch import Tensor, nn

from mmvad.models.model import Model
from mmvad.models.text_encoder import TextEncoder


@contextmanager
def cuda_is_the_cpu() -> Iterator[None]:
    """While it lasts, what public code puts on `cuda` stays where it is."""
    kept: dict[Any, Any] = {kind: kind.to for kind in (Tensor, nn.Module)}

    def to(self: Any, *given: Any, **options: Any) -> Any:
        moved = ["cpu" if each == "cuda" else each for each in given]
        return kept[Tensor if isinstance(self, Tensor) else nn.Module](self, *moved, **options)

    same = lambda self, *given, **options: self  # noqa: E731
    with ExitStack() as patches:
        for kind in kept:
            patches.enter_context(patch.object(kind, "cuda", same))
            patches.enter_context(patch.object(kind, "to", to))
        patches.enter_context(patch.object(torch, "set_default_tensor_type", lambda kind: None))
        yield


def modules(folder: Path, *names: str) -> list[ModuleType]:
    """Modules of a checkout, imported beside their own neighbours; nobody else sees them afterwards."""
    stubs = {name: ModuleType(name) for name in ("ipdb", "visdom", "pkg_resources", "tensorboard_logger")}
    stubs["pkg_resources"].packaging = packaging  # type: ignore[attr-defined]
    stubs["tensorboard_logger"].log_value = None  # type: ignore[attr-defined]
    before = set(sys.modules)
    with patch.object(sys, "path", [str(folder), *sys.path]), patch.object(sys, "argv", ["public"]):
        sys.modules.update(stubs)
        try:
            return [importlib.import_module(name) for name in names]
        finally:
            own = [name for name in set(sys.modules) - before if _lies_in(sys.modules[name], folder)]
            for name in {*own, *stubs}:
                del sys.modules[name]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    """Whether it is of the checkout; a folder without `__init__.py` is a module without a file."""
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(place is not None and Path(place).is_relative_to(folder) for place in places)


def clip_text(clip: ModuleType, source: ModuleType, model: Model[Any]) -> None:
    """Makes `clip.load` give CLIP with our text tower's weights; its picture tower, which rests, is tiny."""
    tower = next(m.tower for m in model.modules() if isinstance(m, TextEncoder))
    made = source.CLIP(512, 224, 1, 64, 32, 77, 49408, 512, 8, 12)
    made.load_state_dict(tower.state_dict(), strict=False)
    clip.load = lambda name, device: (made, None)  # type: ignore[attr-defined]
