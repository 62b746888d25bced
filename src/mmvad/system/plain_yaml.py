"""YAML of plain values: each key once, errors that name line and column, and where in a file a key stands."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mmvad.errors import UserError


class _UniqueKeys:
    """YAML of plain values in which a key that stands twice is an error: the second would hide the first."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The node's value; what looks like a date or a number and is none, as `2020-13-45`, is an error of YAML."""
        try:
            return super().construct_object(node, deep)  # type: ignore[misc]
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        double = next((i for i, key in enumerate(keys) if key in keys[:i]), None)
        if double is not None:
            mark = node.value[double][0].start_mark
            raise yaml.constructor.ConstructorError(None, None, f"the key {keys[double]!r} stands twice", mark)
        return super().construct_mapping(node, deep)  # type: ignore[misc]


class _Python(_UniqueKeys, yaml.SafeLoader):
    pass


class _C(_UniqueKeys, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads eight times as fast, and has other words for what is wrong."""


_SHORT = 8192
"""Characters that cannot nest so deep that the C parser, which has no limit, overruns its stack (at about 40,000)."""


def parse_yaml(text: str) -> Any:
    """What a text of plain YAML says, each key once. Raises yaml.YAMLError for whatever is wrong in it."""
    if len(text) <= _SHORT:
        with contextlib.suppress(yaml.YAMLError, RecursionError):
            return yaml.load(text, _C)
    try:
        return yaml.load(text, _Python)
    except RecursionError:
        raise yaml.YAMLError("too many brackets inside of one another") from None


def load_yaml(file: Path) -> Any:
    """What a file of plain YAML holds, each key once.

    Raises FileNotFoundError, and UserError, naming the line, for what cannot be read as such.
    """
    try:
        return parse_yaml(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(file, f"cannot be read: {error}", expected="a YAML file in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        raise _invalid(file, error) from None
    except yaml.YAMLError as error:
        raise UserError(file, f"is no valid YAML: {' '.join(str(error).split())}") from None


def _invalid(file: Path, error: yaml.MarkedYAMLError) -> UserError:
    mark = error.problem_mark or error.context_mark
    where = f"{file}, line {mark.line + 1}" if mark else file
    what = ", ".join(part for part in (error.context, error.problem) if part)
    tab = "'\\t'" in what
    return UserError(where, f"is no valid YAML: {what}", fix="indent with spaces: YAML takes no tabs" if tab else None)


def key_place(file: Path, keys: Sequence[str | int]) -> str:
    """Where the value at this path of keys stands, as far as it is there: "FILE, line 7, column 3"."""
    node = yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)
    for key in keys:
        inner = _inner(node, key)
        if inner is None:
            break
        node = inner
    return f"{file}, line {node.start_mark.line + 1}, column {node.start_mark.column + 1}" if node else str(file)


def _inner(node: yaml.Node | None, key: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == str(key)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key]
    return None
