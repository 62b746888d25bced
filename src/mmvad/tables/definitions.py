"""What each of the paper's tables is: its rows as values of the configuration, its metrics, and the command that fills
it.

A row names values for every key that its table varies; all other keys are the base row's. The tables themselves are
listed in `studies.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.load import plain
from mmvad.config.schema import Config
from mmvad.tables.frame import flat

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """A column: where its figure lies in the frame, and its heading."""

    score: str
    name: str
    heading: str


@dataclass(frozen=True)
class Row:
    """One row of a study.

    Attributes:
        settings: a value for each varied key; a tuple of values where any of them will do.
        published: the name under which the paper's own figure of this row is filed, if it is known.
        silent: the row needs sound, which the benchmark does not have.
    """

    label: str
    settings: Settings
    published: str | None = None
    silent: bool = False


@dataclass(frozen=True)
class Study:
    """A table of our own runs.

    Attributes:
        key: as the paper numbers it, with a letter where one table is made of several studies.
        rows: the rows on a benchmark; a study of one key may find further values among the runs.
        target: the command that makes what is missing, with {benchmark} in it.
        over: in a study of one key: makes rows of further values that were found among the runs.
        free: further keys that may differ between rows because the varied ones bring them along.
    """

    key: str
    title: str
    varied: tuple[str, ...]
    rows: Callable[[str], list[Row]]
    metrics: Callable[[str], list[Metric]]
    target: str
    over: Values | None = None
    free: tuple[str, ...] = ()

    def command(self, benchmark: str) -> str:
        return self.target.format(benchmark=benchmark)


@dataclass(frozen=True)
class Comparison:
    """A table of methods: published figures, and our base row among them.

    Attributes:
        metrics: names in the published figures with their columns in the frame.
        modalities: show a row of ours for each, instead of the base row alone.
        fine: only methods that say what happens.
    """

    key: str
    title: str
    benchmark: str
    metrics: Mapping[str, Metric]
    target: str
    supervision: bool = False
    modalities: tuple[str, ...] = ()
    fine: bool = False

    def command(self, benchmark: str) -> str:
        return self.target.format(benchmark=benchmark)


SPELLED = MappingProxyType({"v": "V", "va": "V+A", "vt": "V+T", "vat": "V+A+T"})
FRAME = {"ap": "AP", "auc": "AUC", "ano_auc": "Ano-AUC"}
EVENTS = {f"map@0.{i}": Metric("events", f"map@0.{i}", f"mAP@0.{i}") for i in range(1, 6)} | {
    "map_avg": Metric("events", "map_avg", "mAP avg")
}

SHIPPED: Mapping[str, Settings] = {
    "xd_violence": {},
    "ucf_crime": {
        "modalities": "vt",
        "model.layers": 2,
        "model.prompt_half": 14,
        "loss.lambda_contrast": 0.1,
        "loss.lambda_embed": 0.1,
        "data.batch_size": 64,
        "data.balanced": True,
        "data.audio": "optional",
        "data.test_crop": 5,
        "optim.learning_rate": 2e-5,
        "optim.epochs": 40,
    },
    "planted": {
        "model.text.architecture": "tiny",
        "model.text.weights": "random",
        "model.prompt_half": 4,
        "model.dropout": 0.3,
        "loss.contrast_pairing": "foreground",
        "data.segment_length": 64,
        "data.batch_size": 32,
        "optim.learning_rate": 1e-3,
        "optim.schedule": "cosine",
        "optim.epochs": 18,
        "optim.gradient_clip": 1.0,
    },
}
"""Where `experiments/BENCHMARK.yaml`, which is not installed with the package, differs from the defaults."""
_NO_SETTINGS = ("benchmark", "seed", "data.bank", "runtime.")


@cache
def usual(benchmark: str) -> Settings:
    """The whole base configuration of a benchmark, as dotted keys; without seed, bank and `runtime`."""
    defaults = {key: value for key, value in flat(plain(Config())).items() if not key.startswith(_NO_SETTINGS)}
    return MappingProxyType({**defaults, **SHIPPED.get(benchmark, {})})


def switches(benchmark: str) -> set[str]:
    """The settings that choose between parts, in contrast to numbers; weights may lie elsewhere and be the same."""
    chosen = {key for key, value in usual(benchmark).items() if isinstance(value, bool | str)}
    return chosen - {"model.text.weights", "optim.milestones"}


def headline(benchmark: str) -> Metric:
    """The metric that the benchmark is known for, of the combined score."""
    name = benchmark_named(benchmark).headline
    return Metric("combined", name, FRAME[name])


def headline_and_map(benchmark: str) -> list[Metric]:
    ano_auc = [Metric("combined", "ano_auc", FRAME["ano_auc"])] if benchmark == "ucf_crime" else []
    return [headline(benchmark), *ano_auc, EVENTS["map_avg"]]


def all_metrics(benchmark: str) -> list[Metric]:
    first = headline(benchmark)
    rest = [Metric("combined", name, FRAME[name]) for name in FRAME if name != first.name]
    branches = [Metric(score, first.name, f"{first.heading} {score}") for score in ("coarse", "fine")]
    return [first, *rest, *branches, *EVENTS.values()]


def costs_too(benchmark: str) -> list[Metric]:
    costs = [Metric("cost", "trainable_parameters", "parameters (M)"), Metric("cost", "test_fps", "FPS")]
    return [*headline_and_map(benchmark), *costs]


COSTS = {
    "trainable_parameters": Metric("cost", "trainable_parameters", "parameters (M)"),
    "train_seconds": Metric("cost", "train_seconds", "training (s)"),
    "test_snippets": Metric("cost", "test_snippets", "snippets/s"),
}
"""What a method costs: parameters, seconds of training, snippets a second at test."""

PAPER_ROW = "base"
"""Stands for the name of the paper's main result among the published figures."""


@dataclass(frozen=True)
class Values:
    """The rows of a study of one key.

    Attributes:
        values: on every benchmark that `special` does not name.
        named: what a value is called in its row.
        published: a value's name in the published figures, with {value} in it; else the paper's main result stands
            beside the usual value.
    """

    key: str
    values: tuple[Any, ...]
    special: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    named: Mapping[Any, str] = field(default_factory=dict)
    published: str | None = None

    def __call__(self, benchmark: str) -> list[Row]:
        return [self.row(benchmark, value) for value in self.special.get(benchmark, self.values)]

    def row(self, benchmark: str, value: Any) -> Row:
        at_usual = PAPER_ROW if value == usual(benchmark).get(self.key) else None
        published = self.published.format(value=value) if self.published else at_usual
        return Row(self.named.get(value, _spelled(value)), {self.key: value}, published)


def _spelled(value: Any) -> str:
    """0.0002 as 2e-4, 0.15 as it is."""
    if isinstance(value, float) and 0 < abs(value) < 1e-2:
        mantissa, _, exponent = f"{value:e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:g}" if isinstance(value, float) else str(value)
