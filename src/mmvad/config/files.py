"""Configuration files: YAML of plain values, and the file that another one is written for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mmvad.errors import UserError, nearest_name

Tree = dict[str, Any]
BASE = "base"
"""The key under which a file names the one beneath it, as seen from its own folder."""


class UniqueKeys(yaml.SafeLoader):
    """YAML of plain values in which a key that stands twice is an error: the second would hide the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        double = next((key for i, key in enumerate(keys) if key in keys[:i]), None)
        if double is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {double!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_layers(files: Sequence[Path]) -> list[tuple[Path, Tree]]:
    """The files with their content, the lowest first: those that files call their `base`, then the files themselves.

    A base that is among the files keeps its place there. Raises UserError for a file that cannot be read, and where a
    file is written for another benchmark than one beside it.
    """
    given = [(Path(file), read_yaml(file)) for file in files]
    bases: dict[Path, Tree] = {}
    for file, tree in given:
        if BASE in tree:
            base = _base_of(file, tree.pop(BASE))
            bases[base] = read_yaml(base)
            _check_benchmark(file, bases[base], given)
    among = {file.resolve() for file in map(Path, files)}
    return [(base, tree) for base, tree in bases.items() if base.resolve() not in among] + given


def _base_of(file: Path, written: object) -> Path:
    if not isinstance(written, str) or not written:
        raise UserError(
            file, f"base = {written!r} is not valid", expected="the path of a file, from this file's folder"
        )
    return Path(os.path.normpath(file.parent / written))


def _check_benchmark(file: Path, base: Tree, given: Sequence[tuple[Path, Tree]]) -> None:
    wanted = base.get("benchmark")
    for other, tree in given:
        if tree.get("benchmark", wanted) != wanted:
            raise UserError(
                file,
                f"is written for {wanted}, and {other} for {tree['benchmark']}",
                expected="files of one benchmark",
                fix=f"leave {other} out, or take the file for {tree['benchmark']}",
            )


def read_yaml(file: Path) -> Tree:
    """A file's keys and values. Raises UserError where it cannot be read or is no mapping."""
    try:
        content = yaml.load(Path(file).read_text(encoding="utf-8"), UniqueKeys)
    except FileNotFoundError:
        folder = Path(file).parent
        found = nearest_name(Path(file).name, [p.name for p in folder.glob("*.yaml")] if folder.is_dir() else [])
        nearest = str(folder / found) if found else None
        raise UserError(file, "no such configuration file", nearest=nearest) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(file, f"cannot be read: {error}", expected="a YAML file") from None
    except yaml.YAMLError as error:
        raise UserError(file, f"is no valid YAML: {' '.join(str(error).split())}") from None
    if content is not None and not isinstance(content, dict):
        raise UserError(file, f"holds a {type(content).__name__}", expected="a mapping of keys to values")
    return content or {}
