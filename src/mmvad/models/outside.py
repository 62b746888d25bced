"""A method from outside of the package: `model.name: my_package.my_module:MyModel`, or the name of an entry point.

Its module is imported where it is named, and with it torch; built-in names import nothing. The current folder counts as
one of Python's. Entry points are those of the group `mmvad.models`, name -> `my_package.my_module:MyModel`.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mmvad.errors import UserError, nearest_name
from mmvad.models.method import Method
from mmvad.models.peers.registry import PEERS
from mmvad.sections import Section
from mmvad.system.own_code import own_module

OURS = "dual_stream"
MODALITIES = Method("").modalities
GROUP = "mmvad.models"
TOLD = ("title", "classes", "reconstruction", "supervision", "published")
"""Facts that a run notes, so that tables need not import its class."""


@dataclass(frozen=True)
class Outside:
    """A class from outside, and the facts about it; called with a `Setting` and its settings it makes the model."""

    made_by: type
    facts: Method

    @property
    def code(self) -> dict[str, Any]:
        """For the manifest: the module, SHA-256 of the file that the class stands in, and what tables have to know."""
        file = Path(inspect.getfile(self.made_by))
        return {
            "module": self.made_by.__module__,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "facts": {key: getattr(self.facts, key) for key in TOLD},
        }


def is_outside(name: object) -> bool:
    """Whether a `model.name` names a class of someone else's, be it there or not."""
    return isinstance(name, str) and name not in {OURS, *PEERS} and (":" in name or name in _entry_points())


def method_named(name: str) -> Method | None:
    """The facts about a method, by its `model.name`; None for the dual-stream network.

    Raises UserError as `outside` does.
    """
    return outside(name).facts if is_outside(name) else PEERS.get(name)


def method_told(name: str, told: Mapping[str, Any]) -> Method | None:
    """Likewise, but nothing is imported: of a class from outside only that is known which its run noted."""
    if name == OURS or name in PEERS:
        return PEERS.get(name)
    return Method(**{"title": class_name(name), **{key: told[key] for key in TOLD if key in told}})


def short_name(name: str) -> str:
    """A `model.name` as a part of a folder's name: of `my_package.my_module:MyModel` my_model."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name(name))
    return re.sub(r"\W+", "_", words).lower()


def changed_code(name: str, manifest: dict[str, Any]) -> str | None:
    """That a run was made by other code than its model's file holds now, in words; None where it was not."""
    if "code" not in manifest or not is_outside(name):
        return None
    found = outside(name)
    if found.code["sha256"] == manifest["code"].get("sha256"):
        return None
    return f"{inspect.getfile(found.made_by)} has changed since the run was made: what it gives now may differ"


@functools.cache
def outside(name: str) -> Outside:
    """The class that a name stands for.

    Raises UserError where its module or it is not there, and for what is no `Model` or has no proper `Settings` or
    `facts`.
    """
    module_name, _, attribute = _entry_points().get(name, name).partition(":")
    where, module = f"model.name: {name}", own_module(module_name, f"model.name: {name}", class_name(name), "CLASS")
    found = getattr(module, attribute, None)
    from mmvad.models.model import Model

    if not (isinstance(found, type) and issubclass(found, Model)):
        models = [key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Model)]
        own = [key for key in models if vars(module)[key].__module__ == module_name] or models
        near = nearest_name(attribute, own)
        raise UserError(
            where,
            f"{module_name} has no class {attribute!r}" if found is None else f"{attribute} is no model",
            expected="a subclass of mmvad.models.model.Model" + (f": {', '.join(own)}" if own else ""),
            nearest=f"{module_name}:{near}" if near else None,
        )
    return Outside(found, _facts(found, where))


def _facts(found: type, where: str) -> Method:
    facts, settings = getattr(found, "facts", Method(found.__name__)), getattr(found, "Settings", None)
    if not isinstance(facts, Method):
        raise UserError(where, f"its facts are a {type(facts).__name__}", expected="facts = Method(title=..., ...)")
    if not facts.modalities or not {*facts.modalities} <= {*MODALITIES}:
        expected = f"some of {', '.join(MODALITIES)}, its own first"
        raise UserError(where, f"its facts name the modalities {facts.modalities!r}", expected=expected)
    if settings is not None and not (isinstance(settings, type) and issubclass(settings, Section)):
        raise UserError(where, "its Settings are no section", expected="class Settings(mmvad.sections.Section)")
    return replace(facts, settings=settings)


@functools.cache
def _entry_points() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=GROUP)}


def class_name(name: str) -> str:
    return name.rpartition(":")[2].rpartition(".")[2]
