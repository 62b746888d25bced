"""The benchmarks by name: those that come with mmvad, and those whose file was read in this process.

Both are made of the same kind of file; the shipped ones lie in `definitions/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmvad.benchmarks.benchmark import AnomalyClass, Benchmark
from mmvad.benchmarks.definition import Definition, parse_definition, read_definition
from mmvad.errors import UserError, nearest_name

_SHIPPED = Path(__file__).parent / "definitions"
_own: dict[str, Benchmark] = {}
_told: set[str] = set()
"""Names of those that a bank or a run told of: a file of that name in the current folder may say otherwise by now."""


def _made_of(definition: Definition, folder: Path | None = None) -> Benchmark:
    return Benchmark(
        name=str(definition.name),
        title=definition.title,
        classes=tuple(AnomalyClass(key, prompt) for key, prompt in definition.classes.items()),
        frames_per_second=definition.frames_per_second,
        official_counts={"train": 0, "test": 0, **definition.official_counts},
        test_crop=definition.test_crop,
        headline=definition.headline,
        audio=definition.audio,
        normal_events=definition.normal_events,
        definition=definition,
        folder=folder,
    )


_FIRST = ("planted", "ucf_crime", "xd_violence", "demo_clips")
BENCHMARKS: dict[str, Benchmark] = {
    name: _made_of(read_definition(_SHIPPED / f"{name}.yaml"))
    for name in dict.fromkeys((*_FIRST, *sorted(file.stem for file in _SHIPPED.glob("*.yaml"))))
}
PLANTED, UCF_CRIME, XD_VIOLENCE, DEMO_CLIPS = (BENCHMARKS[name] for name in _FIRST)


def benchmark(written: str | Path, fold: str | None = None) -> Benchmark:
    """The benchmark that a name or the path of a user's file means.

    A name is a shipped benchmark, one that a bank or a run told of, or a file NAME.yaml of the current folder or of its
    folder NAME, where `mmvad data new NAME` writes it: commands in reports give a user's benchmark by its name.

    Args:
        fold: which of its splits, where it has several.

    Raises UserError, with the nearest name, for an unknown one, and for whatever is wrong in a file.
    """
    name = str(written)
    told = _own[name] if name in _told else None
    found = BENCHMARKS.get(name) or told or _read(name) or _own.get(name)
    if found is None:
        raise _unknown(name)
    return found if fold is None else found.in_fold(fold)


def known_benchmark(name: str) -> Benchmark:
    """The benchmark that a run, a bank or a checked configuration calls so: what they brought goes before any file."""
    return BENCHMARKS.get(name) or _own.get(name) or benchmark(name)


def own_benchmark(name: str) -> Benchmark | None:
    """The user's benchmark of that name, whose file was read before; None for one that comes with mmvad."""
    return _own.get(name)


def remember(facts: Mapping[str, Any], where: Path, *, over: bool = False) -> Benchmark:
    """The benchmark that a bank or a run was made for, from its facts there; one that is known goes before it.

    Args:
        over: of one that is known and differs, these facts are meant.

    Raises UserError, naming `where`, for facts that are malformed.
    """
    if not isinstance(facts, Mapping):
        raise UserError(where, f"a benchmark {facts!r}", expected="title, classes, ...")
    made = _made_of(parse_definition(dict(facts), where), where.parent)
    if made.name in BENCHMARKS:
        return BENCHMARKS[made.name]
    known = _own.get(made.name)
    if known and (known.facts == made.facts or not over):
        return known
    _told.add(made.name)
    _own[made.name] = made
    return made


def _read(name: str) -> Benchmark | None:
    """The benchmark of a user's file; None where no file is meant."""
    path = Path(name)
    is_path = path.suffix in {".yaml", ".yml"} or os.sep in name
    if is_path and not path.is_file():
        raise _no_file(path)
    file = path if is_path else _meant_by(name)
    if file is None:
        return None
    made = replace(_made_of(read_definition(file), file.resolve().parent), file=path if is_path else None)
    if made.name in BENCHMARKS:
        fix = f"give it a name of its own, such as `name: my_{made.name}`"
        raise UserError(file, f"calls itself {made.name}, as a benchmark that comes with mmvad does", fix=fix)
    _own[made.name] = made
    _told.discard(made.name)
    return made


def _meant_by(name: str) -> Path | None:
    """The file that is meant by a name alone; None where there is none."""
    places = (Path(f"{name}.yaml"), Path(name) / f"{name}.yaml") if name else ()
    return next((file for file in places if file.is_file() and _is_definition(file)), None)


def _is_definition(file: Path) -> bool:
    """Whether a file is a benchmark's: a configuration may be called so too."""
    text = file.read_text(encoding="utf-8", errors="replace")
    return any(line.startswith("classes:") for line in text.splitlines())


def _no_file(path: Path) -> UserError:
    beside = [file.name for file in path.parent.glob("*.y*ml") if file.is_file()] if path.parent.is_dir() else []
    nearest = nearest_name(path.name, beside)
    return UserError(
        path,
        "is a folder" if path.is_dir() else "no such file",
        expected=f"a benchmark's YAML file, or one of {', '.join(BENCHMARKS)}",
        nearest=str(path.with_name(nearest)) if nearest else None,
    )


def _unknown(name: str) -> UserError:
    key = name.lower().replace("-", "_")
    known = [*BENCHMARKS, *_own]
    by_start = next((b for b in known if key and b.startswith(key)), None)
    files = {str(file) for file in Path().glob("*.yaml") if _is_definition(file)}
    files |= {path.name for path in Path().iterdir() if _meant_by(path.name) == path / f"{path.name}.yaml"}
    return UserError(
        "benchmark",
        f"unknown benchmark {name!r}",
        expected=f"one of {', '.join(known)}, or the path of a benchmark's file",
        nearest=by_start or nearest_name(name, files) or nearest_name(key, known),
    )
