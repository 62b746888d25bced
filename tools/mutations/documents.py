"""Random changes to YAML files: to their characters and lines, and to the tree that they hold."""

from __future__ import annotations

import random
from typing import Any

import yaml

ODD_WORDS = (
    "", "null", "~", "yes", "1e-5", "-1", "0", "1e400", ".nan", "[", "{", "}", "'", '"', "|", "&a", "*a", "? ", "- ",
    ": ",
    "!!python/object:os.system", "!!binary x", "\t", "\x00", "é", "\ufeff", "${args}", "${foo}", "--seed", "planted",
    "[1, [2]]", "{a: {b: 1}}", "99999999999999999999999", "../../etc", "<<: *a", "%YAML 9", "---", "...",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**30, 1e-300, float("inf"), float("nan"), "", "x", "1e-5", [], {}, [[]], [None],
    {"a": 1}, [1, 2, 2], "planted", {"value": 1}, {"values": []}, {"values": [None]}, {"min": 1, "max": 0}, "a" * 5000,
    ["${args}"],
    {1: 2}, "\udcff", "$HOME", "2020-01-01",
)  # fmt: skip


def changed_text(text: str, chance: random.Random) -> str:
    """The text with one to three places changed: lines dropped, doubled, swapped or indented; words put in."""
    lines = text.split("\n")
    for _ in range(chance.choice([1, 1, 2, 3])):
        at = chance.randrange(len(lines))
        kind = chance.randrange(7)
        if kind == 0:
            lines.pop(at)
            lines = lines or [""]
        elif kind == 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif kind == 2:
            lines[at] = chance.choice(["  ", "\t", " "]) + lines[at]
        elif kind == 3:
            lines[at] = lines[at].lstrip()
        elif kind == 4:
            place = chance.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:place] + chance.choice(ODD_WORDS) + lines[at][place:]
        elif kind == 5:
            words = lines[at].split(" ")
            words[chance.randrange(len(words))] = chance.choice(ODD_WORDS)
            lines[at] = " ".join(words)
        else:
            place = chance.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:place]
    return "\n".join(lines)


def changed_tree(text: str, chance: random.Random) -> str:
    """The document with one to three of its values replaced, dropped, renamed or moved."""
    tree = yaml.safe_load(text)
    for _ in range(chance.choice([1, 1, 2, 3])):
        holders = [node for node in _nodes(tree) if isinstance(node, dict | list) and node]
        if not holders:
            break
        _change(chance.choice(holders), chance, holders)
    try:
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, RecursionError):
        return text


def _change(holder: Any, chance: random.Random, holders: list[Any]) -> None:
    key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = chance.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        name = str(key)
        holder[chance.choice([name[:-1], name.upper(), name + "s", f"x.{name}", "", 3])] = holder.pop(key)
    elif kind == 2:
        holder[key] = [holder[key]]
    elif kind == 3:
        values = [value for other in holders for value in (other.values() if isinstance(other, dict) else other)]
        plain = [value for value in values if not isinstance(value, dict | list)]
        holder[key] = chance.choice(plain or [None])
    else:
        holder[key] = chance.choice(ODD_VALUES)


def _nodes(tree: Any) -> list[Any]:
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return [tree, *(node for part in inner for node in _nodes(part))]
