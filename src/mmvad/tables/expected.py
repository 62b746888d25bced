"""What a sweep makes, a row each: the configurations of its cells without the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmvad.benchmarks.registry import own_benchmark
from mmvad.config.identity import recipe
from mmvad.config.load import plain
from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.sweeps.cells import configure, require_grid
from mmvad.sweeps.definition import Sweep, Values, read_sweep
from mmvad.tables.definitions import Settings
from mmvad.tables.frame import REPEATED, flat

WEIGHTS = "model.text.weights"


@dataclass(frozen=True)
class Expected:
    """The configuration of one row, up to the seed.

    Attributes:
        values: what the sweep sets, by key.
        settings: the whole configuration as dotted keys, without seed, bank and `runtime`.
    """

    values: Values
    config: Config
    recipe: str
    settings: Settings


def expected_rows(sweep: Sweep, overrides: Sequence[str] = ()) -> list[Expected]:
    """The rows of a grid in its order, each configuration once.

    Cells that cannot be run here, such as those with sound on a benchmark without, are no rows. Raises UserError where
    no cell is valid.
    """
    require_grid(sweep)
    rows: dict[tuple[str, Any], Expected] = {}
    refused = None
    for values in _of_one_seed(sweep).cells():
        try:
            made = _row(values, configure(sweep, values, overrides))
        except UserError as error:
            refused = refused or error
        else:
            rows.setdefault((made.recipe, made.settings[WEIGHTS]), made)
    if refused and not rows:
        raise refused
    return list(rows.values())


def expected_base(sweep: Sweep, overrides: Sequence[str] = ()) -> Expected:
    """The configuration without the sweep's lists, which rows differ from, with its own values of their keys."""
    constants = {key: value for key, value in sweep.constants().items() if key not in REPEATED}
    made = _row(constants, configure(sweep, constants, overrides))
    swept = {key: made.settings.get(key) for key in sweep.swept if key in made.settings}
    return Expected({**constants, **swept}, made.config, made.recipe, made.settings)


def general_values(sweep: Sweep, key: str) -> list[Any]:
    """The values of a key in the file that a benchmark's own file stands in for; empty without such a file."""
    general = sweep.file.parent.parent / sweep.file.name
    if sweep.file.parent.name != sweep.benchmark or not general.is_file():
        return []
    return list(read_sweep(general).parameters.get(key, {}).get("values", []))


def with_values(sweep: Sweep, key: str, values: Sequence[Any]) -> Sweep:
    """The sweep with other values of a key."""
    parameters = {**sweep.parameters, key: {"values": list(values)}}
    return replace(sweep, content={**sweep.content, "parameters": parameters})


def sweep_on(file: Path, benchmark: str, *, has_base: bool) -> tuple[Sweep, list[str]]:
    """A sweep on a benchmark, and what to override; one without a base configuration takes the sweep's own."""
    if has_base or own_benchmark(benchmark):
        return read_sweep(file, benchmark), []
    return read_sweep(file), [f"benchmark={benchmark}"]


def _of_one_seed(sweep: Sweep) -> Sweep:
    for key in REPEATED:
        values = sweep.parameters.get(key, {}).get("values", [])
        sweep = with_values(sweep, key, values[:1]) if values else sweep
    return sweep


def _row(values: Values, config: Config) -> Expected:
    tree = plain(config)
    settings = {key: value for key, value in flat(tree).items() if key not in {*REPEATED, "data.bank"}}
    decides = {key: value for key, value in settings.items() if not key.startswith("runtime.")}
    return Expected({key: value for key, value in values.items() if key not in REPEATED}, config, recipe(tree), decides)
