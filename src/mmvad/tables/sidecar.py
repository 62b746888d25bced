"""Reads `tables.yaml`: what stands over and beside the rows of a table, and which sweep makes them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from mmvad.errors import UserError
from mmvad.sections import Section
from mmvad.system.plain_yaml import load_yaml

FILE = Path(__file__).with_name("tables.yaml")


class StudyEntry(Section):
    """A table of what one sweep makes; `tables.yaml` says what the keys are."""

    sweep: str
    title: str
    heading: str = ""
    metrics: Literal["main", "all", "costs"] = "main"
    labels: dict[str, str] = Field({})
    published: str = ""
    needs_audio: tuple[str, ...] = ()
    figure: bool = False


class ComparisonEntry(Section):
    """A table of methods."""

    sweep: str
    title: str
    benchmark: str
    metrics: tuple[str, ...]
    supervision: bool = False
    modalities: bool = False
    fine: bool = False


class Tables(Section):
    """All tables, by their keys."""

    studies: dict[str, StudyEntry]
    comparisons: dict[str, ComparisonEntry]


@cache
def tables(file: Path = FILE) -> Tables:
    """The tables of the file. Raises UserError for a key or a value that is not as the file says."""
    try:
        return Tables.model_validate(load_yaml(file))
    except ValidationError as error:
        found = error.errors()[0]
        raise UserError(file, f"{'.'.join(map(str, found['loc']))}: {found['msg']}") from None


def entry_of_sweep(name: str) -> str | None:
    """The key of the study that a sweep of this name makes; None for a sweep of one's own."""
    return next((key for key, entry in tables().studies.items() if entry.sweep == name), None)
