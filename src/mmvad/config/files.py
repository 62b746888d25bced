"""Configuration files: YAML of plain values, and the file that another one is written for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmvad.benchmarks.registry import benchmark, remember
from mmvad.config.shipped import find_file, no_such_file
from mmvad.errors import UserError
from mmvad.system.plain_yaml import load_yaml

Tree = dict[str, Any]
BASE = "base"
"""The key under which a file names the one beneath it: a path as seen from its own folder, or a name."""


def read_layers(files: Sequence[Path]) -> list[tuple[Path, Tree]]:
    """The files with their content, the lowest first: what files call their `base`, and that its own, then the files.

    A file may be given by its name, as `find_file` has it. A base that is among the files keeps its place there. Raises
    UserError for a file that cannot be read, a base that lies over itself, and a file that lies over a base and is
    written for another benchmark than one beside it.
    """
    given = [(path, read_yaml(path)) for path in map(_found, files)]
    chains = [_chain(file, tree) for file, tree in given]
    _check_benchmarks(chains)
    beneath = {base: tree for chain in chains for base, tree in chain[:-1]}
    among = {file.resolve() for file, _ in given}
    return [(base, tree) for base, tree in beneath.items() if base.resolve() not in among] + given


def written_for(file: Path) -> object:
    """The benchmark that a file or what it lies over names; None where none does."""
    path = _found(file)
    return _benchmark(_chain(path, read_yaml(path)))


def _found(file: Path) -> Path:
    return find_file(file, "experiments") or Path(file)


def _chain(file: Path, tree: Tree, above: Sequence[Path] = ()) -> list[tuple[Path, Tree]]:
    """What a file lies over, the lowest first, and the file. Takes `base` out of every content."""
    if BASE not in tree:
        return [(file, tree)]
    above = [*above, file.resolve()]
    base = _base_of(file, tree.pop(BASE))
    if base.resolve() in above:
        raise UserError(file, f"its base, {base}, lies over it or is the file itself", fix="name another base, or none")
    try:
        content = read_yaml(base)
    except UserError as error:
        raise UserError(file, f"its base cannot be read: {error}") from None
    return [*_chain(base, content, above), (file, tree)]


def _base_of(file: Path, written: object) -> Path:
    if not isinstance(written, str) or not written:
        expected = "the path of a file, from this file's folder, or the name of a shipped one"
        raise UserError(file, f"base = {written!r} is not valid", expected=expected)
    return Path(os.path.normpath(find_file(written, "experiments", [file.parent]) or file.parent / written))


def _benchmark(chain: Sequence[tuple[Path, Tree]]) -> object:
    return next((named_benchmark(tree["benchmark"]) for _, tree in reversed(chain) if "benchmark" in tree), None)


def named_benchmark(written: object) -> object:
    """The name of the benchmark that a configuration's `benchmark` means; what is written where it means none."""
    if isinstance(written, dict):
        return remember(written, Path("configuration"), over=True).name
    return benchmark(written).name if isinstance(written, str) else written


def _check_benchmarks(chains: Sequence[Sequence[tuple[Path, Tree]]]) -> None:
    """What lies over a base is for one benchmark alone; files without a base may lie over another benchmark's."""
    named = [(chain[-1][0], name, len(chain) > 1) for chain in chains if (name := _benchmark(chain)) is not None]
    for file, wanted, has_base in named:
        other, its = next(((file, name) for file, name, _ in named if name != wanted), (None, None))
        if has_base and other:
            raise UserError(
                file,
                f"is written for {wanted}, and {other} for {its}",
                expected="files of one benchmark",
                fix=f"leave {other} out, or take the file for {its}",
            )


def read_yaml(file: Path) -> Tree:
    """A file's keys and values. Raises UserError where it cannot be read or is no mapping."""
    try:
        content = load_yaml(Path(file))
    except FileNotFoundError:
        raise no_such_file(Path(file), "experiments") from None
    if content is not None and not isinstance(content, dict):
        raise UserError(file, f"holds a {type(content).__name__}", expected="a mapping of keys to values")
    return content or {}
