"""What the configuration's sections are made of: strict pydantic models and bounded numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _given(value: object) -> object:
    """Path("") is the current folder, and nobody who leaves a path empty means that."""
    if value is None or value == "":
        raise ValueError("the path is empty; give one, or leave the key out")
    return value


def _no_switch(value: object) -> object:
    """Python counts true as 1."""
    if isinstance(value, bool):
        raise ValueError("on and off are no numbers")
    return value


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
NoSwitch = BeforeValidator(_no_switch)
Count = Annotated[int, Field(ge=1), NoSwitch]
FilePath = Annotated[Path, BeforeValidator(_given)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A part of the tree: unknown keys are errors, values do not change after parsing."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)
