"""A cell of a sweep: its values, the whole configuration that follows, and the identity of its run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmvad.benchmarks.registry import own_benchmark
from mmvad.config.files import written_for
from mmvad.config.identity import is_read, run_identity, run_name
from mmvad.config.load import load_config
from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.runs import RunFolder
from mmvad.sweeps.definition import OVERLAY, Sweep, Values, project_file

if TYPE_CHECKING:
    from mmvad.bank.bank import Bank


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        values: what the sweep sets, by key.
        title: the swept values in words, for lists and logs.
    """

    values: Values
    title: str
    config: Config
    identity: str

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.config.runtime.results / run_name(self.config, self.identity))


def configure(sweep: Sweep, values: Values, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a cell: base files, then the overlay, the cell's values, and the command line's.

    Raises UserError for values that are not valid, and for an overlay that is written for another benchmark.
    """
    overlay = [project_file(str(values[OVERLAY]), sweep.file)] if OVERLAY in values else []
    written = [f"{key}={json.dumps(value)}" for key, value in values.items() if key != OVERLAY]
    settings = sweep.file, [*sweep.command_values, *written, *sweep.late_values]
    config = load_config([*sweep.base, *overlay], overrides, settings=settings)
    for file in overlay:
        if written_for(file) not in {None, config.benchmark} and not own_benchmark(config.benchmark):
            problem = f"runs on {config.benchmark}, and {file} is written for {written_for(file)}"
            raise UserError(sweep.file, problem, fix=f"take the overlay for {config.benchmark}")
    return config


def title(sweep: Sweep, values: Values) -> str:
    """The swept values, such as `seed 0, modalities va`."""
    return ", ".join(f"{key.rpartition('.')[2]} {shown(key, values[key])}" for key in sweep.swept if key in values)


def shown(key: str, value: Any) -> str:
    """A value in a title: an overlay by its file's name, a number in few digits."""
    if key == OVERLAY:
        return Path(value).name.removesuffix(".yaml")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def require_grid(sweep: Sweep) -> None:
    """Raises UserError for a search: what it will draw is not known."""
    if sweep.method != "grid":
        raise UserError(sweep.file, f"method {sweep.method} has no list of cells", expected="method: grid")


def expand(sweep: Sweep, overrides: Sequence[str] = ()) -> list[tuple[Values, Config]]:
    """Every cell of a grid with its configuration, all of them checked. No bank is needed.

    Of a user's benchmark without sound the cells that read sound are left out. Raises UserError where no cell is left.
    """
    require_grid(sweep)
    silent = (own := own_benchmark(sweep.benchmark)) is not None and own.audio == "none"
    cells = [values for values in sweep.cells() if not (silent and _hears(sweep, values, overrides))]
    if not cells:
        raise UserError(
            sweep.file, f"every cell reads sound, and {sweep.benchmark} has none", fix="sweep over v and vt"
        )
    return [(values, configure(sweep, values, overrides)) for values in cells]


def _hears(sweep: Sweep, values: Values, overrides: Sequence[str]) -> bool:
    return configure(sweep, values, [*overrides, "data.audio=optional"]).uses_audio


def unread(sweep: Sweep, expanded: Sequence[tuple[Values, Config]]) -> list[str]:
    """What is swept and not read, a line a model: rows that differ in it alone are one run."""
    found: dict[str, set[str]] = defaultdict(set)
    for values, config in expanded:
        name = config.model.name
        found[name] |= {key for key in sweep.swept if key in values and key != OVERLAY and not is_read(key, name)}
    lines = {name: ", ".join(key for key in sweep.swept if key in keys) for name, keys in found.items() if keys}
    return [
        f"note: {name} does not read {keys}; rows that differ in nothing else are one" for name, keys in lines.items()
    ]


class Resolver:
    """Gives identities; what they rest on (bank, text weights, device) is looked up once a process."""

    def __init__(self) -> None:
        self._banks: dict[Path, Bank] = {}
        self._text: dict[tuple[str, str, int], str] = {}
        self._precision: dict[tuple[str, str], str] = {}

    def identity(self, config: Config) -> str:
        """The identity that `mmvad train` would give. Raises UserError for a missing bank or text weights."""
        bank = self._bank(config)
        text = self._text_hash(config, bank) if config.uses_text else None
        return run_identity(config, bank.content_hash, text, self._precision_of(config))

    def cells(self, sweep: Sweep, expanded: Sequence[tuple[Values, Config]]) -> list[Cell]:
        """The cells, one an identity: two rows that come to the same configuration are one run."""
        found: dict[str, Cell] = {}
        for values, config in expanded:
            identity = self.identity(config)
            found.setdefault(identity, Cell(values, title(sweep, values), config, identity))
        return list(found.values())

    def _bank(self, config: Config) -> Bank:
        from mmvad.bank.bank import open_bank
        from mmvad.data.opening import bank_of

        def opened(path: Path) -> Bank:
            if path not in self._banks:
                self._banks[path] = open_bank(path)
            return self._banks[path]

        return bank_of(config, opened)

    def _text_hash(self, config: Config, bank: Bank) -> str:
        from mmvad.models.text_encoder import weights_hash
        from mmvad.training.build import Widths, build_text

        key = (config.model.text.architecture, config.model.text.weights, config.model.width or bank.train.visual_width)
        if key not in self._text:
            encoder = build_text(config, Widths.of(bank))
            assert encoder is not None
            self._text[key] = weights_hash(encoder)
        return self._text[key]

    def _precision_of(self, config: Config) -> str:
        from mmvad.system.device import training_device

        key = (config.runtime.device, config.runtime.precision)
        if key not in self._precision:
            self._precision[key] = training_device(
                config.runtime.device, config.runtime.precision, config.runtime.threads
            ).precision
        return self._precision[key]
