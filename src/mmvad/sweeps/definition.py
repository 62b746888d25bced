"""Reads a sweep file: W&B's own format, checked key by key, for our benchmark.

What `wandb agent` would run is what the local engine runs: the base configuration is the one that `command` names, an
overlay is the value of the parameter `config`, every other parameter is a key of the configuration.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.registry import BENCHMARKS
from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.files import written_for
from mmvad.config.load import METHOD, leaf_keys
from mmvad.config.shipped import find_file, no_such_file
from mmvad.errors import UserError, nearest_name
from mmvad.metrics.evaluate import SCORES
from mmvad.metrics.frame_metrics import HEADINGS
from mmvad.metrics.measures import HELD_OUT, MEASURES
from mmvad.sweeps.command import read_command
from mmvad.sweeps.space import Range, check_parameter, is_constant, is_list, range_of, with_numbers
from mmvad.system.plain_yaml import load_yaml

KEYS = (
    "name",
    "description",
    "program",
    "command",
    "method",
    "metric",
    "parameters",
    "early_terminate",
    "run_cap",
    "project",
    "entity",
)
METHODS = ("grid", "random", "bayes")
OVERLAY = "config"
CONFIG_OPTION = "--config="
Values = dict[str, Any]
_FIGURES = (*HEADINGS, *(measure.name for measure in MEASURES), HELD_OUT)
MEASURED = (
    *(f"{split}/{figure}" for split in ("test", "val") for figure in ("ap", "auc")),
    *(f"test/{score}/{figure}" for score in SCORES for figure in _FIGURES),
    *(f"test/{figure}" for figure in _FIGURES if figure not in {"ap", "auc"}),
)
"""Figures of a run by the names that W&B knows them by."""


@dataclass(frozen=True)
class Sweep:
    """A checked sweep file.

    Attributes:
        content: the file as it was read, with the benchmark and seeds that were asked for: what W&B would get.
        base: the configuration files that `command` names, laid under every cell.
        command_values: `key=value` that `command` gives every cell, beneath its parameters.
        late_values: `key=value` behind the parameters, and so over them.
    """

    file: Path
    content: dict[str, Any]
    base: tuple[Path, ...]
    command_values: tuple[str, ...]
    late_values: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.content.get("name", self.file.stem))

    @property
    def method(self) -> str:
        return str(self.content["method"])

    @property
    def benchmark(self) -> str:
        """Its name; the parameter itself may be the path of a user's file."""
        return benchmark_named(self.parameters.get("benchmark", {}).get("value", "planted")).name

    @property
    def metric(self) -> str:
        return str(self.content.get("metric", {}).get("name", ""))

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return dict(self.content["parameters"])

    @property
    def swept(self) -> tuple[str, ...]:
        """The parameters that take more than one value."""
        return tuple(key for key, options in self.parameters.items() if not is_constant(options))

    def cells(self) -> list[Values]:
        """Every cell of a grid in the file's order: the first parameter changes slowest."""
        lists = [options["values"] if is_list(options) else [options["value"]] for options in self.parameters.values()]
        return [dict(zip(self.parameters, row)) for row in itertools.product(*lists)]

    def constants(self) -> Values:
        """The parameters with a single value."""
        return {key: options["value"] for key, options in self.parameters.items() if is_constant(options)}

    def ranges(self) -> dict[str, Range]:
        """What a search draws from, a parameter each."""
        return {key: range_of(key, self.parameters[key], self.file) for key in self.swept}


def read_sweep(file: Path, benchmark: str | None = None, seeds: tuple[int, ...] | None = None) -> Sweep:
    """The sweep of a file.

    Args:
        file: a path, or the name of a shipped one.
        benchmark: replaces the file's, a name or a user's file; where `<folder>/<benchmark>/<file>` exists, that file
            is read instead. A benchmark in folds is swept over them too.
        seeds: replace the file's values of `seed`.

    Raises UserError for a missing or malformed file, an unknown key, and what W&B would not take.
    """
    file = find_file(file, "sweeps") or file
    asked = benchmark_named(benchmark) if benchmark is not None else None
    if asked is not None:
        own = [file.parent / name / file.name for name in (asked.name, asked.settings)]
        file = next((path for path in own if path.is_file()), file)
    content = _read(file)
    if isinstance(content.get("parameters"), dict):
        content["parameters"] = {name: with_numbers(options) for name, options in content["parameters"].items()}
    _check(content, file)
    if "command" in content:
        content["command"] = list(read_command(content, file).words)
    if asked is not None:
        _replace_benchmark(content, asked, str(benchmark))
    command = read_command(content, file)
    if seeds is not None:
        content["parameters"]["seed"] = {"values": list(seeds)}
    base = tuple(project_file(written, file) for written in command.configs)
    if asked is not None and not asked.own:
        _check_base(file, base, asked.name)
    return Sweep(file, content, base, command.values, command.late_values)


def project_file(written: str, sweep_file: Path) -> Path:
    """A configuration that a sweep file names: as an agent finds it, from the current folder or by name, after the
    sweep file's own project."""
    seen_from = [Path(), *sweep_file.resolve().parents[1:3]]
    return find_file(written, "experiments", seen_from) or Path(written)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = load_yaml(file)
    except FileNotFoundError:
        raise no_such_file(file, "sweeps") from None
    if not isinstance(content, dict):
        raise UserError(file, f"holds a {type(content).__name__}", expected="a sweep in W&B's format")
    return content


def _check(content: dict[str, Any], file: Path) -> None:
    for key in content:
        if key not in KEYS:
            nearest = nearest_name(str(key), KEYS)  # YAML takes 3 for a number
            raise UserError(file, f"unknown key {key!r}", expected=", ".join(KEYS), nearest=nearest)
    for key in ("program", "method", "parameters"):
        if key not in content:
            raise UserError(file, f"the key {key!r} is missing", expected="a sweep in W&B's format")
    method = content["method"]
    if method not in METHODS:
        nearest = nearest_name(str(method), METHODS)
        raise UserError(
            file, f"method = {method!r} is not valid", expected=f"one of {', '.join(METHODS)}", nearest=nearest
        )
    _check_shapes(content, file)
    for name, options in content["parameters"].items():
        _check_name(str(name), file)
        check_parameter(name, options, method, file)
    _check_metric(content.get("metric", {}).get("name"), method, file)


def _check_metric(name: object, method: str, file: Path) -> None:
    """A search's objective is a validation figure; a grid may name any that a run measures, or none."""
    if method != "grid" and not str(name).startswith("val/"):
        problem = f"a search's objective is {name!r}"
        raise UserError(file, problem, expected="metric.name val/ap or val/auc: a search never looks at the test set")
    if method == "grid" and name is not None and name not in MEASURED:
        problem, nearest = f"metric.name = {name!r} is measured by no run", nearest_name(str(name), MEASURED)
        raise UserError(file, problem, expected=f"one of {', '.join(MEASURED[:5])}, ..", nearest=nearest)


def _check_shapes(content: dict[str, Any], file: Path) -> None:
    shapes: dict[str, tuple[type, str]] = {
        "parameters": (dict, "a mapping of dotted keys"),
        "metric": (dict, "{name: test/ap, goal: maximize}"),
        "command": (list, "a list of words"),
        "run_cap": (int, "a number of runs"),
        "early_terminate": (dict, "{type: hyperband, min_iter: 5}"),
    }
    for key, (kind, expected) in shapes.items():
        if key in content and (not isinstance(content[key], kind) or not content[key]):
            raise UserError(file, f"{key} = {content[key]!r} is not valid", expected=expected)
    goal = content.get("metric", {}).get("goal", "maximize")
    if goal != "maximize":
        raise UserError(file, f"metric.goal = {goal!r}", expected="maximize: every figure here is better when higher")
    fixed = content["parameters"].get("benchmark", {"value": "planted"})
    if not isinstance(fixed, dict) or "value" not in fixed:
        raise UserError(
            file, "the benchmark is swept", expected="benchmark: {value: NAME}", fix="one sweep a benchmark"
        )


def _check_name(name: str, file: Path) -> None:
    known = [OVERLAY, *leaf_keys()]
    if name in known or name.startswith(f"{METHOD}."):  # whose keys depend on the cell's model
        return
    by_last = [key for key in known if key.rpartition(".")[2] == name]
    nearest = by_last[0] if by_last else nearest_name(name, known)
    raise UserError(
        f"{file}: parameters", f"unknown key {name!r}", nearest=nearest, fix="`mmvad train --help` lists every key"
    )


def _check_base(file: Path, base: Sequence[Path], benchmark: str) -> None:
    """Raises UserError for a base of the sweep's own that is for another benchmark: only a shipped one is replaced."""
    for path in base:
        if written_for(path) not in {None, benchmark}:
            problem = f"its base, {path}, is written for {written_for(path)}"
            fix = f"name {CONFIG_OPTION}experiments/{benchmark}.yaml in its command, or leave out --benchmark"
            raise UserError(file, problem, expected=f"a base for {benchmark}", fix=fix)


def _is_shipped_base(word: str) -> bool:
    """Whether a word of `command` names a benchmark's base: by its name, or as a file of `experiments`."""
    named = word.removeprefix(CONFIG_OPTION)
    return named != word and (named.startswith("experiments/") or named.removesuffix(".yaml") in BENCHMARKS)


def _replace_benchmark(content: dict[str, Any], benchmark: Benchmark, written: str) -> None:
    """Benchmark, folds, base configuration and the metric's name (AP or AUC) are the benchmark's own."""
    content["parameters"]["benchmark"] = {"value": written}
    if benchmark.folds:
        content["parameters"].setdefault("data.fold", {"values": list(benchmark.folds)})
    named = find_file(f"experiments/{benchmark.name}.yaml", "experiments")
    base = f"{CONFIG_OPTION}experiments/{benchmark.name if named else benchmark.settings}.yaml"
    if "command" in content:
        content["command"] = [base if _is_shipped_base(word) else word for word in content["command"]]
    split, _, figure = str(content.get("metric", {}).get("name", "")).partition("/")
    if figure in {"ap", "auc"}:
        content["metric"]["name"] = f"{split}/{benchmark.headline}"
