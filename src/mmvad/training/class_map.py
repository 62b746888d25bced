"""Which classes of one benchmark stand for those of another, where a run is tested on a benchmark that it never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.errors import UserError, nearest_name
from mmvad.system.plain_yaml import load_yaml

ClassMap = Mapping[str, tuple[str, ...]]
"""Of the target's classes those that are mapped, normal first: the source's classes whose probabilities they add up."""


def alike_classes(source: Benchmark, target: Benchmark) -> ClassMap:
    """The normal classes, and those that have the same key or are prompted by the same words."""
    by_prompt = {c.prompt: c.key for c in source.classes[1:]}
    found: dict[str, tuple[str, ...]] = {target.normal: (source.normal,)}
    for c in target.classes[1:]:
        same = c.key if c.key in source.class_keys[1:] else by_prompt.get(c.prompt)
        found |= {c.key: (same,)} if same else {}
    return found


def read_class_map(path: Path, source: Benchmark, target: Benchmark) -> ClassMap:
    """The map of a YAML file: a class of the target, then one or a list of the source's.

    Raises UserError for a file of another form, an unknown class, and a class of the source that is used twice.
    """
    try:
        content = load_yaml(path)
    except FileNotFoundError:
        raise UserError(path, "no such file", expected="a YAML file of classes: theirs: ours") from None
    form = f"classes of {target.title}, each with one or a list of those of {source.title}, such as fighting: B1"
    if not isinstance(content, dict) or not content:
        raise UserError(path, f"holds a {type(content).__name__}", expected=form)
    found: dict[str, tuple[str, ...]] = {target.normal: (source.normal,)}
    for key, value in content.items():
        words = [str(word) for word in (value if isinstance(value, list) else [value])]
        _require_class(str(key), target, path)
        for word in words:
            _require_class(word, source, f"{path}, {key}")
        found[str(key)] = tuple(words)
    used = [word for words in found.values() for word in words]
    twice = next((word for word in used if used.count(word) > 1), None)
    if twice:
        raise UserError(path, f"{twice} stands for two classes", expected="each class of the run once at most")
    return {key: found[key] for key in target.class_keys if key in found}


def mapped(probabilities: np.ndarray, classes: ClassMap, source: Benchmark, keys: Sequence[str]) -> np.ndarray:
    """Probabilities [n, C of the source] as those of the target's `keys`: [n, len(keys)]; 0 for what is not mapped."""
    place = {key: i for i, key in enumerate(source.class_keys)}
    columns = [probabilities[:, [place[own] for own in classes.get(key, ())]].sum(axis=1) for key in keys]
    return np.stack(columns, axis=1).astype(probabilities.dtype)


def _require_class(key: str, benchmark: Benchmark, where: object) -> None:
    if key not in benchmark.class_keys:
        expected = f"one of {', '.join(benchmark.class_keys)} ({benchmark.title})"
        raise UserError(
            where, f"unknown class {key!r}", expected=expected, nearest=nearest_name(key, benchmark.class_keys)
        )
