"""Public benchmarks of which mmvad has the facts and no lists: a user's file begins with one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmvad.errors import UserError, nearest_name

if TYPE_CHECKING:
    from mmvad.benchmarks.definition import Definition

_FOLDER = Path(__file__).parent / "definitions" / "templates"


@dataclass(frozen=True)
class Template:
    """The facts of a public benchmark.

    Attributes:
        blocks: the file's text by its keys, in the file's order, without the note.
    """

    name: str
    definition: Definition
    blocks: dict[str, str]


def template_names() -> tuple[str, ...]:
    """Their names, sorted."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.yaml")))


def template(name: str) -> Template:
    """The template of that name. Raises UserError, with the nearest name, for an unknown one."""
    from mmvad.benchmarks.definition import read_definition  # here: the command line lists the names alone

    known = template_names()
    if name not in known:
        nearest = nearest_name(name.lower().replace("-", "_").replace(" ", "_"), known)
        raise UserError("--like", f"no template {name!r}", expected=f"one of {', '.join(known)}", nearest=nearest)
    file = _FOLDER / f"{name}.yaml"
    blocks = _blocks(file.read_text(encoding="utf-8"))
    del blocks["note"]
    return Template(name, read_definition(file), blocks)


def _blocks(text: str) -> dict[str, str]:
    """The text of every key at the top of a YAML file."""
    blocks: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if line[:1].isalpha():
            key = line.partition(":")[0]
        blocks[key] = f"{blocks[key]}\n{line}" if key in blocks else line
    return blocks
