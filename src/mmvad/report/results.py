"""The runs behind a table: one record a run, and which of them make up the rows of a study."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmvad.report.definitions import Metric, Row, Settings, Study, usual
from mmvad.report.filled import Cell
from mmvad.report.frame import FIGURE_COLUMNS, RUN_COLUMNS
from mmvad.report.studies import STUDIES

Record = dict[str, Any]
OURS = "dual_stream"
_SCALES = {"trainable_parameters": 1e-6, "train_seconds": 1.0, "test_fps": 1.0, "test_snippets": 1.0}
_NOT_CONTEXT = {*RUN_COLUMNS, "seed", "select"} - {"bank_hash", "schema"}
_VARIED = {key for study in STUDIES for key in (*study.varied, *study.free)}


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
    """

    rows: tuple[RowRuns, ...]
    base: RowRuns | None
    context: Settings
    rivals: tuple[str, ...]
    unfinished: tuple[str, ...] = ()


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

    def base(self, benchmark: str) -> Settings:
        """What studies vary one thing from: of a switch the shipped base value wherever a run has it, since studies of
        several switches outvote it; a number's commonest value, and so for all that has no shipped value.
        """
        records, preferred, switches = self.of(benchmark), usual(benchmark), _switches(benchmark)
        base = {}
        for key in records[0] if records else ():
            counts = Counter(record[key] for record in records)

            def merit(value: Any, key: str = key, counts: Counter = counts) -> tuple:
                shipped = equal(value, preferred.get(key))
                return shipped and key in switches, counts[value], shipped, str(value)

            base[key] = max(counts, key=merit)
        return base


Context = tuple[tuple[str, Any], ...]
Filled = Mapping[int, list[Record]]
"""The runs of one context by the place of their row."""


def select(results: Results, study: Study, benchmark: str) -> Selection:
    """The runs that fill the study's rows: all of one context, the one that is nearest to the benchmark's base.

    Contexts are ranked by how many switches stand as in the shipped base configuration (one that has parts switched off
    is another network, however many rows it fills), then by whether they fill two rows, by all other settings, by
    whether the base row is there, and by rows and runs.
    """
    records, base = results.of(benchmark), results.base(benchmark)
    rows = _rows(study, benchmark, records)
    contexts: dict[Context, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        place = next((i for i, row in enumerate(rows) if not row.silent and matches(record, row.settings)), None)
        if place is not None:
            contexts[_context(record, study)][place].append(record)
    if not contexts:
        return Selection(tuple(RowRuns(row) for row in rows), None, {}, ())
    wanted = [usual(benchmark), *([base] if study.over is not None else [])]
    at_base = [i for settings in wanted for i, row in enumerate(rows) if matches(settings, row.settings)]
    near, switches = {**base, **usual(benchmark)}, _switches(benchmark)

    def merit(context: Context) -> tuple:
        filled = contexts[context]
        on = _agreement(tuple(pair for pair in context if pair[0] in switches), near)
        has_base = any(place in filled for place in at_base)
        runs = sum(map(len, filled.values()))
        return on, len(filled) > 1, _agreement(context, near), has_base, len(filled), runs, str(context)

    chosen = max(contexts, key=merit)
    taken = [_one_a_seed(row, contexts[chosen].get(i, []), base) for i, row in enumerate(rows)]
    # A value that only other contexts have is no row of this table.
    planned = len(study.rows(benchmark))
    shown = [row for row in taken if row.runs or any(row.row is r for r in rows[:planned])]
    base_row = next((taken[place] for place in at_base if taken[place].runs), None)
    others = [c for c in sorted(contexts, key=str) if c != chosen and _is_rival(c, chosen, contexts[c], at_base, near)]
    rivals = tuple(_differences(context, chosen) for context in others)
    ordered = tuple(sorted(shown, key=lambda runs: place_of(study, runs.row)))
    return Selection(ordered, base_row, dict(chosen), rivals, _unfinished(results, benchmark, ordered, dict(chosen)))


def _switches(benchmark: str) -> set[str]:
    """The settings that choose between parts, in contrast to numbers; weights may lie elsewhere and be the same."""
    chosen = {key for key, value in usual(benchmark).items() if isinstance(value, bool | str)}
    return chosen - {"model.text.weights", "optim.milestones"}


def _agreement(context: Context, near: Settings) -> int:
    """How many settings of a context have the base's value."""
    return sum(equal(value, near.get(key)) for key, value in context)


def _is_rival(context: Context, chosen: Context, filled: Filled, at_base: Sequence[int], near: Settings) -> bool:
    """Whether runs that are left out could have been this table.

    They fill two rows; or they are the base row alone, nearer to the base than the table that is shown, or other than
    it in something that no table varies (what is varied elsewhere is a row there).
    """
    if len(filled) > 1 or not any(place in filled for place in at_base):
        return len(filled) > 1
    ours = dict(chosen)
    elsewhere = all(key in _VARIED or equal(value, ours.get(key)) for key, value in context)
    return not elsewhere or _agreement(context, near) > _agreement(chosen, near)


def _unfinished(results: Results, benchmark: str, rows: Sequence[RowRuns], context: Settings) -> tuple[str, ...]:
    """Runs without a report that belong in one of these rows, as `row (seed)`; a configuration knows no bank's hash."""
    shared = {key: value for key, value in context.items() if key not in {"bank_hash", "schema", "model.text.weights"}}
    here = [record for record in results.unfinished if matches(record, {**shared, "benchmark": benchmark})]
    found = [
        f"{row.row.label} (seed {record['seed']})"
        for row in rows
        for record in here
        if matches(record, row.row.settings) and record["seed"] not in {run["seed"] for run in row.runs}
    ]
    return tuple(dict.fromkeys(found))


def matches(record: Mapping[str, Any], settings: Settings) -> bool:
    """Whether a run has these values; a tuple means any of its values."""
    return all(
        any(equal(record.get(key), v) for v in (value if isinstance(value, tuple) else (value,)))
        for key, value in settings.items()
    )


def equal(left: Any, right: Any) -> bool:
    """Equality that forgives a float its last digits."""
    if isinstance(left, float) and isinstance(right, int | float) and not isinstance(right, bool):
        return math.isclose(left, right, rel_tol=1e-9)
    return bool(left == right)


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


def _rows(study: Study, benchmark: str, records: list[Record]) -> list[Row]:
    """The planned rows, and where the study is of one key a row for every further value among the runs."""
    rows = study.rows(benchmark)
    if study.over is None:
        return rows
    key = study.over.key
    further = {r[key] for r in records if r.get(key) is not None and not any(matches(r, row.settings) for row in rows)}
    return [*rows, *(study.over.row(benchmark, value) for value in sorted(further))]


def place_of(study: Study, row: Row) -> float:
    """What rows are sorted by: numbers by number; all others stay as they were planned."""
    value = row.settings.get(study.over.key) if study.over else None
    return float(value) if isinstance(value, int | float) else 0.0


def _context(record: Record, study: Study) -> Context:
    """Everything that the rows of a table must share."""
    left = {key: value for key, value in record.items() if key not in {*_NOT_CONTEXT, *study.varied, *study.free}}
    weights = left.get("model.text.weights")
    # The same weights lie at different places on different machines.
    return tuple(sorted({**left, "model.text.weights": Path(weights).name if weights else None}.items()))


def _one_a_seed(row: Row, records: list[Record], base: Settings) -> RowRuns:
    """One run a seed, all chosen by one checkpoint policy, if possible in the commonest precision; else the newest."""
    policies = sorted({r["select"] for r in records}, key=lambda p: (p != base["select"], p == "best_test", str(p)))
    records = [record for record in records if record["select"] == policies[0]]
    records.sort(key=lambda r: (r["precision"] == base["precision"], str(r["finished"]), r["identity"]))
    by_seed = {record["seed"]: record for record in records}
    return RowRuns(row, tuple(by_seed[seed] for seed in sorted(by_seed)), len(records) - len(by_seed))


def _differences(context: Context, chosen: Context) -> str:
    ours = dict(chosen)
    pairs = [(key, value) for key, value in context if not equal(value, ours.get(key))]
    return ", ".join(f"{key}={str(value)[:12]}" for key, value in pairs)


def cell(results: Results, metric: Metric, records: Sequence[Record]) -> Cell:
    """Mean, standard deviation and n of a figure over the runs of a row."""
    figures = [results.figure(record, metric) for record in records]
    scale = _SCALES.get(metric.name, 100.0)
    values = [scale * value for value, _ in figures if value is not None]
    if not values:
        return Cell(reason=next((reason for _, reason in figures), None))
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(float(np.mean(values)), deviation, len(values))
