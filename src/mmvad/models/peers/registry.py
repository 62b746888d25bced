"""The peers, found by walking their folders: each has a `settings.py` with its facts, `METHOD`. No torch here."""

from __future__ import annotations

import math
import pkgutil
from importlib import import_module
from typing import Any

from pydantic import create_model

from mmvad.models import peers
from mmvad.models.method import Method
from mmvad.sections import Section


def _found() -> dict[str, Method]:
    """Every folder's facts by its name, in the order of tables."""
    names = [module.name for module in pkgutil.iter_modules(peers.__path__) if module.ispkg]
    methods = {name: import_module(f"{peers.__name__}.{name}.settings").METHOD for name in names}
    return dict(sorted(methods.items(), key=lambda item: (item[1].year or math.inf, item[1].place, item[0])))


def _section(methods: dict[str, Method]) -> type[Section]:
    """A section with each method's settings under its name."""
    fields: dict[str, Any] = {name: (m.settings, m.settings()) for name, m in methods.items() if m.settings}
    return create_model("Peers", __base__=Section, **fields)


PEERS: dict[str, Method] = _found()
"""By `model.name`."""

Peers: type[Section] = _section(PEERS)
"""The settings of all peers; only those of `model.name` count, also for a run's identity."""
