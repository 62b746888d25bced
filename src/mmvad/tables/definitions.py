"""What a table is: its rows as configurations, its columns, and the command that fills it.

`tables.yaml` names the tables, `studies.py` makes them of it and of the sweeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mmvad.benchmarks.registry import known_benchmark, own_benchmark
from mmvad.config.load import load_config, plain
from mmvad.config.shipped import find_file
from mmvad.metrics.frame_metrics import FRAME_METRICS
from mmvad.metrics.measures import MEASURES
from mmvad.models.outside import OURS
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
        settings: a value for each key in which the study's rows differ.
        recipe: of the configuration that its runs have, without the seed; empty for a row that cannot be run.
        published: the name under which the paper's own figure of this row is filed, if it is known.
        base: it has the base configuration, and the others are compared to it.
        planned: its sweep makes it; a base row that no sweep makes is only shown where it has runs.
        silent: the row needs sound, which the benchmark does not have.
    """

    label: str
    settings: Settings
    recipe: str = ""
    published: str | None = None
    base: bool = False
    planned: bool = True
    silent: bool = False


@dataclass(frozen=True)
class Study:
    """A table of our own runs on one benchmark: what one sweep makes.

    Attributes:
        key: as the paper numbers it, with a letter where one table is made of several studies.
        heading: above the rows' names.
        rows: in their order, each of another configuration.
        command: makes what is missing.
        models: every `model.name` of the rows.
        own: no table of the paper's, and compared to its first row where the base has no runs.
    """

    key: str
    title: str
    benchmark: str
    heading: str
    rows: tuple[Row, ...]
    metrics: tuple[Metric, ...]
    command: str
    models: frozenset[str] = frozenset({OURS})
    own: bool = False

    @property
    def varied(self) -> frozenset[str]:
        """The keys in which rows differ."""
        return frozenset(key for row in self.rows for key in row.settings)


@dataclass(frozen=True)
class Comparison:
    """A table of methods: published figures, and our base row among them.

    Attributes:
        metrics: names in the published figures with their columns in the frame.
        ours: the study whose base row, or whose rows by modality, are ours.
        modalities: show a row of ours for each, instead of the base row alone.
        fine: only methods that say what happens.
    """

    key: str
    title: str
    benchmark: str
    metrics: Mapping[str, Metric]
    command: str
    ours: Study
    supervision: bool = False
    modalities: bool = False
    fine: bool = False


SPELLED = MappingProxyType({"v": "V", "va": "V+A", "vt": "V+T", "vat": "V+A+T"})
FRAME = {m.name: Metric("combined", m.name, m.heading) for m in FRAME_METRICS}
IN_TABLES = {m.name: FRAME[m.name] for m in FRAME_METRICS if m.in_tables}
"""Metrics of one's own that every table of runs at frame level shows as further columns."""
EVENTS = {f"map@0.{i}": Metric("events", f"map@0.{i}", f"mAP@0.{i}") for i in range(1, 6)} | {
    "map_avg": Metric("events", "map_avg", "mAP avg")
}
IN_USE = {measure.name: Metric("combined", measure.name, measure.heading) for measure in MEASURES}
COSTS = {
    "trainable_parameters": Metric("cost", "trainable_parameters", "parameters (M)"),
    "train_seconds": Metric("cost", "train_seconds", "training (s)"),
    "test_snippets": Metric("cost", "test_snippets", "snippets/s"),
}
"""What a method costs: parameters, seconds of training, snippets a second at test."""
PAPER_ROW = "base"
"""Stands for the name of the paper's main result among the published figures."""
_NO_SETTINGS = ("benchmark", "seed", "data.bank", "data.fold", "runtime.")


def base_file(benchmark: str) -> Path | None:
    """`experiments/BENCHMARK.yaml`; of a user's benchmark without one the base that its file names; else None."""
    own = own_benchmark(benchmark)
    files = [f"experiments/{name}.yaml" for name in (benchmark, *((own.settings,) if own else ()))]
    return next((found for file in files if (found := find_file(file, "experiments"))), None)


def usual(benchmark: str) -> Settings:
    """The whole base configuration of a benchmark, as dotted keys; without seed, bank and `runtime`.

    The defaults for a benchmark without a base file.
    """
    file = base_file(benchmark)
    return _settings_of(file.resolve() if file else None, benchmark if own_benchmark(benchmark) else None)


@cache
def _settings_of(file: Path | None, own: str | None) -> Settings:
    settings = flat(plain(load_config([file] if file else [], [f"benchmark={own}"] if own else [])))
    return MappingProxyType({key: value for key, value in settings.items() if not key.startswith(_NO_SETTINGS)})


def switches(benchmark: str) -> set[str]:
    """The settings that choose between parts, in contrast to numbers; weights may lie elsewhere and be the same."""
    chosen = {key for key, value in usual(benchmark).items() if isinstance(value, bool | str)}
    return chosen - {"model.text.weights", "optim.milestones"}


def headline(benchmark: str) -> Metric:
    """The metric that the benchmark is known for, of the combined score."""
    return FRAME[known_benchmark(benchmark).headline]


def main_metrics(benchmark: str) -> list[Metric]:
    ano_auc = [FRAME["ano_auc"]] if benchmark == "ucf_crime" else []
    return [headline(benchmark), *ano_auc, EVENTS["map_avg"], *IN_TABLES.values()]


def all_metrics(benchmark: str) -> list[Metric]:
    first = headline(benchmark)
    rest = [metric for metric in FRAME.values() if metric != first]
    branches = [Metric(score, first.name, f"{first.heading} {score}") for score in ("coarse", "fine")]
    return [first, *rest, *branches, *EVENTS.values()]


def main_and_costs(benchmark: str) -> list[Metric]:
    return [*main_metrics(benchmark), COSTS["trainable_parameters"], Metric("cost", "test_fps", "FPS")]


COLUMNS: Mapping[str, Callable[[str], list[Metric]]] = {
    "main": main_metrics,
    "all": all_metrics,
    "costs": main_and_costs,
}
"""The columns of a study on a benchmark, by their name in `tables.yaml`."""
PUBLISHED_COLUMNS: Mapping[str, Mapping[str, Metric]] = {
    **{name: {name: metric} for name, metric in (FRAME | EVENTS | IN_USE).items()},
    "map": EVENTS,
    "costs": COSTS,
}
"""The columns of a table of methods, likewise."""
