"""One parameter of a sweep file: a constant, a list of values, or a range that a search draws from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from mmvad.errors import UserError, nearest_name

if TYPE_CHECKING:
    import optuna

DISTRIBUTIONS = ("uniform", "log_uniform_values", "q_uniform", "int_uniform", "categorical", "constant")
OPTIONS = ("value", "values", "min", "max", "q", "distribution")


@dataclass(frozen=True)
class Range:
    """What a search may take for one parameter: `choices`, or the numbers from `low` to `high`."""

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    whole: bool = False

    def suggest(self, trial: optuna.Trial, key: str) -> Any:
        """The value that Optuna proposes for this trial."""
        if self.choices:
            return trial.suggest_categorical(key, list(self.choices))
        if self.whole:
            return trial.suggest_int(key, int(self.low), int(self.high))
        return trial.suggest_float(key, self.low, self.high, log=self.log, step=self.step)


def with_numbers(options: Any) -> Any:
    """A parameter whose bounds are numbers where YAML 1.1 reads words, as of `min: 1e-5`."""
    if not isinstance(options, dict):
        return options
    return {key: _number(value) if key in {"min", "max", "q"} else value for key, value in options.items()}


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def is_constant(options: dict[str, Any]) -> bool:
    return "value" in options


def is_list(options: dict[str, Any]) -> bool:
    return "values" in options


def check_parameter(name: str, options: object, method: str, file: Path) -> None:
    """Raises UserError where W&B or our engine would not take the parameter."""
    where = f"{file}: parameters.{name}"
    if not isinstance(options, dict):
        raise UserError(where, f"{options!r} is not valid", expected="{value: X}, {values: [X, Y]} or {min: A, max: B}")
    if "parameters" in options:
        raise UserError(where, "nested parameters are not read", expected=f"a dotted name, such as {name}.KEY")
    for key in options:
        if key not in OPTIONS:
            nearest = nearest_name(str(key), OPTIONS)
            raise UserError(where, f"unknown key {key!r}", expected=", ".join(OPTIONS), nearest=nearest)
    if is_list(options) and (not isinstance(options["values"], list) or not options["values"]):
        raise UserError(where, f"values = {options['values']!r}", expected="a list of at least one value")
    written = options["values"] if is_list(options) else [options.get("value", 0)]
    if any(value is None or isinstance(value, dict | list) for value in written):
        raise UserError(where, "holds a null or a nested value, which W&B does not sweep", expected="plain values")
    if len({repr(value) for value in written}) < len(written):
        raise UserError(where, f"names a value twice: {written}", expected="each value once")
    if not is_list(options) and not is_constant(options):
        if method == "grid":
            raise UserError(where, "a range in a grid", expected="values: [...]", fix="or set method: bayes")
        range_of(name, options, file)


def range_of(name: str, options: dict[str, Any], file: Path) -> Range:
    """The range of a swept parameter. Raises UserError where it has no bounds or an unknown distribution."""
    where = f"{file}: parameters.{name}"
    if is_list(options):
        return Range(choices=tuple(options["values"]))
    low, high = options.get("min"), options.get("max")
    if not _is_number(low) or not _is_number(high) or low >= high:
        raise UserError(where, f"from {low!r} to {high!r}", expected="numbers min < max")
    if "distribution" not in options and type(low) is not type(high):
        raise UserError(
            where, f"from {low!r} to {high!r}: W&B wants both bounds whole or neither", expected="0.0, not 0"
        )
    whole = isinstance(low, int) and isinstance(high, int)
    kind = options.get("distribution", "int_uniform" if whole else "uniform")
    if kind not in DISTRIBUTIONS:
        nearest = nearest_name(str(kind), DISTRIBUTIONS)
        raise UserError(where, f"distribution = {kind!r}", expected=", ".join(DISTRIBUTIONS), nearest=nearest)
    if kind == "log_uniform_values" and low <= 0:
        raise UserError(where, f"min = {low}", expected="above 0 for a logarithmic range")
    step = float(options.get("q", 1.0)) if kind == "q_uniform" else None
    return Range((), low, high, kind == "log_uniform_values", step, kind == "int_uniform")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
