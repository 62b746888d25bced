"""The tree of settings of a model from outside: `model.name` is its own, and `method.*` are what its class reads."""

from __future__ import annotations

import functools
from typing import Any, Literal

from pydantic import Field, create_model

from mmvad.config.schema import Config, Model
from mmvad.models.outside import is_outside, outside


def config_type(name: object) -> type[Config]:
    """The type of a configuration by its `model.name`: `Config`, or for a class from outside one with its `method`.

    Raises UserError for a class that is not there or no model.
    """
    return _with_method(str(name)) if is_outside(name) else Config


class _Pickled(Config):
    """A type that is made as it is needed cannot be looked up by its name: other processes make it anew."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_plain, (self.model_dump(mode="json"),)


def _from_plain(tree: dict[str, Any]) -> Config:
    return config_type(tree["model"]["name"]).model_validate(tree)


@functools.cache
def _with_method(name: str) -> type[Config]:
    settings, described = outside(name).facts.settings, Model.model_fields["name"].description
    own: Any = (Literal[name], Field(name, description=described))
    model: type[Model] = create_model("Model", __base__=Model, name=own)
    fields: dict[str, Any] = {"model": (model, model())}
    if settings:
        fields["method"] = (settings, Field({}, validate_default=True))
    return create_model("Config", __base__=_Pickled, **fields)
