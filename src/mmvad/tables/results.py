"""The runs behind a table: one record a run, and its figures."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mmvad.metrics.measures import MEASURES
from mmvad.models.outside import OURS
from mmvad.tables.definitions import Metric, Row, Settings, switches, usual
from mmvad.tables.filled import Cell
from mmvad.tables.report_values import FIGURE_COLUMNS

Record = dict[str, Any]
LONGEST_VALUE = 40
"""Characters of a setting that a note shows."""
_SCALES = {"trainable_parameters": 1e-6, "train_seconds": 1.0, "test_fps": 1.0, "test_snippets": 1.0}
_SCALES |= {measure.name: 1.0 for measure in MEASURES if measure.unit != "fraction"}


@dataclass(frozen=True)
class RowRuns:
    """The runs of one row, one a seed, by seed.

    Attributes:
        repeated: runs left out because another run of the row has the same seed.
        failed: seeds whose run failed, with the reason, as far as a sweep tells.
    """

    row: Row
    runs: tuple[Record, ...] = ()
    repeated: int = 0
    failed: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Selection:
    """The runs of a study on a benchmark.

    Attributes:
        base: the row that the others are compared to; None where it has no runs.
        context: the configuration that all its runs share.
        rivals: other sets of runs that compete for these rows, each as the keys in which it differs (`_is_rival`).
        unfinished: runs of these rows that have no report, by row and seed.
        command: what would make the rows' own runs, where these are only the nearest to them.
    """

    rows: tuple[RowRuns, ...]
    base: RowRuns | None
    context: Settings
    rivals: tuple[str, ...]
    unfinished: tuple[str, ...] = ()
    command: str = ""


class Results:
    """The frame as records and figures.

    Attributes:
        records: one for each run: its identity, its configuration, where it lies.
        unfinished: configurations of runs that have no report.
    """

    def __init__(self, frame: pd.DataFrame, unfinished: Sequence[Record] = ()) -> None:
        self.unfinished = unfinished
        columns = [column for column in frame.columns if column not in FIGURE_COLUMNS]
        runs = frame[columns].drop_duplicates("identity").astype(object)
        self.records: list[Record] = [
            {str(key): None if pd.isna(value) else value for key, value in record.items()}
            for record in runs.to_dict("records")
        ]
        overall = frame[frame["class"] == "all"]
        keys = zip(overall["identity"], overall["score"], overall["metric"])
        figures = zip(overall["value"], overall["reason"])
        self._figures = {key: (None if pd.isna(v) else float(v), reason) for key, (v, reason) in zip(keys, figures)}

    def figure(self, record: Record, metric: Metric) -> tuple[float | None, str]:
        """A run's figure, or None with the reason."""
        value, reason = self._figures.get((record["identity"], metric.score, metric.name), (None, "not reported"))
        return value, "" if value is not None else str(reason)

    @cached_property
    def benchmarks(self) -> list[str]:
        return sorted({record["benchmark"] for record in self.records})

    def of(self, benchmark: str, model: str = OURS) -> list[Record]:
        """The runs of one model on a benchmark."""
        here = [record for record in self.records if record["benchmark"] == benchmark]
        return [record for record in here if record.get("model.name", OURS) == model]

    def models(self, benchmark: str) -> list[str]:
        """Every `model.name` that was run on a benchmark."""
        return sorted({record.get("model.name", OURS) for record in self.records if record["benchmark"] == benchmark})

    def base(self, benchmark: str) -> Settings:
        """What studies vary one thing from: of a switch the shipped base value wherever a run has it, since studies of
        several switches outvote it; a number's commonest value, and so for all that has no shipped value.
        """
        records, preferred, parts = self.of(benchmark), usual(benchmark), switches(benchmark)
        base = {}
        for key in records[0] if records else ():
            counts = Counter(record[key] for record in records)

            def merit(value: Any, key: str = key, counts: Counter = counts) -> tuple:
                shipped = equal(value, preferred.get(key))
                return shipped and key in parts, counts[value], shipped, str(value)

            base[key] = max(counts, key=merit)
        return base


def matches(record: Mapping[str, Any], settings: Settings) -> bool:
    """Whether a run has these values."""
    return all(equal(record.get(key), value) for key, value in settings.items())


def equal(left: Any, right: Any) -> bool:
    """Equality that forgives a float its last digits."""
    if isinstance(left, float) and isinstance(right, int | float) and not isinstance(right, bool):
        return math.isclose(left, right, rel_tol=1e-9)
    return bool(left == right)


def written(key: str, value: Any) -> str:
    """`key=value` for a note: of a hash its beginning, of a long value (a path) its end."""
    text = str(value)
    if key.endswith("_hash"):
        text = text[:12]
    return f"{key}={text}" if len(text) <= LONGEST_VALUE else f"{key}=...{text[3 - LONGEST_VALUE :]}"


def mixtures(records: Sequence[Record]) -> list[str]:
    """What differs between the runs' devices, precisions and versions: a table must say so."""
    found = [_several(name, [record[name] for record in records]) for name in ("device", "precision")]
    versions = [json.loads(record["versions"]) for record in records if record["versions"]]
    packages = sorted({package for version in versions for package in version})
    found += [_several(package, [version.get(package) for version in versions]) for package in packages]
    unknown = sum(record["device"] is None for record in records)
    found += [f"{unknown} of {len(records)} runs have no manifest"] if unknown else []
    return [text for text in found if text]


def _several(name: str, values: list[Any]) -> str:
    known = sorted({str(value) for value in values if value is not None})
    return f"{name} ({', '.join(known)})" if len(known) > 1 else ""


def scale(metric: Metric) -> float:
    """What a figure is multiplied with in tables: fractions are shown in percent."""
    return _SCALES.get(metric.name, 100.0)


def cell(results: Results, metric: Metric, records: Sequence[Record]) -> Cell:
    """Mean, standard deviation and n of a figure over the runs of a row."""
    figures = [results.figure(record, metric) for record in records]
    values = [scale(metric) * value for value, _ in figures if value is not None]
    if not values:
        return Cell(reason=next((reason for _, reason in figures), None))
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(float(np.mean(values)), deviation, len(values))
