"""Source x target: what runs get on the test sets of other banks, as `mmvad test RUN --bank OTHER` left it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.benchmarks.registry import known_benchmark
from mmvad.errors import UserError
from mmvad.metrics.frame_metrics import HEADINGS
from mmvad.models.outside import OURS
from mmvad.runs import RunFolder, read_json
from mmvad.tables.definitions import SPELLED, Metric, headline
from mmvad.tables.expected import WEIGHTS
from mmvad.tables.filled import Cell, FilledRow, FilledTable
from mmvad.tables.frame import REPEATED, RUN_COLUMNS, data_of, folds_of, method_of
from mmvad.tables.marks import mark_notes, quirks_of
from mmvad.tables.notes import OURS_NAME, chosen_notes, first_few
from mmvad.tables.results import Record, Results, cell, equal, written

KEY = "transfer"
_NEEDED = ("source", "target", "classes", "open_vocabulary", "notes", "scores")


@dataclass(frozen=True)
class Tested:
    """One run on one target: the target's name, bank and headline metric, the figure as a fraction, what to know."""

    benchmark: str
    bank_hash: str
    metric: str
    open_vocabulary: bool
    value: float | None
    notes: tuple[str, ...]

    @property
    def column(self) -> tuple[str, str, str, bool]:
        return self.benchmark, self.bank_hash, self.metric, self.open_vocabulary


def transfer_table(results: Results, benchmark: str, *, intervals: bool = False) -> FilledTable | None:
    """The runs on a benchmark that were tested elsewhere: a row a configuration, a column a target; None without any.

    A figure is the target's own headline metric of the combined score.

    Args:
        intervals: whether every figure was asked for with its interval, which this table cannot give.
    """
    here = [record for record in results.records if record["benchmark"] == benchmark]
    found = [(record, tests) for record in here if (tests := _tests_of(record))]
    if not found:
        return None
    columns = sorted({test.column for _, tests in found for test in tests})
    groups: dict[tuple[Any, ...], list[tuple[Record, list[Tested]]]] = defaultdict(list)
    for record, tests in found:
        groups[record["recipe"], record.get(WEIGHTS), data_of(record)].append((record, tests))
    first: dict[str, Record] = {}
    for (record, _), *_ in groups.values():
        first.setdefault(record.get("model.name", OURS), record)
    rows = tuple(_row(results, benchmark, runs, columns, first) for runs in groups.values())
    own = headline(benchmark)
    metrics = (own, *(Metric("combined", column[2], _heading(column, columns)) for column in columns))
    title = known_benchmark(benchmark).title
    notes = [
        f"trained on {title}; the first column is its own test set, the others were never trained on",
        "a column's metric is the one that its benchmark is known for, of the combined score",
        *(["without interval: a test on another bank keeps its figures, not its scores"] if intervals else []),
        *(["names given: the network was given the other benchmark's class names"] if _any_open(columns) else []),
        *dict.fromkeys(note for _, tests in found for test in tests for note in test.notes),
        *mark_notes(rows),
        *chosen_notes([(row.lead[0], row.select) for row in rows]),
    ]
    headings = ("method", "modality")
    return FilledTable(KEY, "Source x target", benchmark, headings, metrics, rows, tuple(notes), study=False)


def _tests_of(record: Record) -> list[Tested]:
    """Every test of a run elsewhere than on its own bank; a damaged file costs its own figure alone."""
    found = []
    for file in sorted(RunFolder(Path(record["path"])).tests.glob("*.json")):
        try:
            found.append(_tested(read_json(file, _NEEDED), file))
        except UserError:
            continue
    return [test for test in found if test.bank_hash != record["bank_hash"]]


def _tested(content: Mapping[str, Any], file: Path) -> Tested:
    try:
        target = content["target"]
        metric = target["headline"]
        value = content["scores"]["combined"][metric]
        told = tuple(f"{_title(target['benchmark'])}: {note}" for note in content["notes"])
        return Tested(target["benchmark"], target["bank_hash"], metric, content["open_vocabulary"], value, told)
    except (KeyError, TypeError) as error:
        raise UserError(file, f"is not as `mmvad test RUN --bank OTHER` leaves it ({error!r})") from None


def _any_open(columns: Sequence[tuple[str, str, str, bool]]) -> bool:
    return any(column[3] for column in columns)


def _heading(column: tuple[str, str, str, bool], columns: Sequence[tuple[str, str, str, bool]]) -> str:
    """`XD-Violence AP`; with the bank's hash where a benchmark has several, and a word on given class names."""
    name, bank, metric, is_open = column
    several = len({other[1] for other in columns if other[0] == name}) > 1
    return f"{_title(name)}{f' ({bank[:6]})' if several else ''} {HEADINGS[metric]}{', names given' if is_open else ''}"


def _title(name: str) -> str:
    try:
        return known_benchmark(name).title
    except UserError:  # a user's benchmark, whose file is not here
        return name


def _row(
    results: Results,
    benchmark: str,
    runs: Sequence[tuple[Record, list[Tested]]],
    columns: Sequence[tuple[str, str, str, bool]],
    first: Mapping[str, Record],
) -> FilledRow:
    """A row; `first` has each model's first one, from which its others are told apart."""
    records = [record for record, _ in runs]
    record = records[0]
    method = method_of(record)
    name = method.title if method else OURS_NAME
    apart = _apart(record, first[record.get("model.name", OURS)])
    label = f"{name} ({first_few(apart, 2)})" if apart else name
    return FilledRow(
        (label, SPELLED[record["modalities"]]),
        (cell(results, headline(benchmark), records), *(_cell(runs, column) for column in columns)),
        seeds=tuple(sorted(record["seed"] for record in records)),
        folds=folds_of(records),
        select=record["select"],
        reconstruction=method is not None and method.reconstruction,
        quirks=quirks_of(record),
    )


def _cell(runs: Sequence[tuple[Record, list[Tested]]], column: tuple[str, str, str, bool]) -> Cell:
    tests = [test for _, tests in runs for test in tests if test.column == column]
    values = [100 * test.value for test in tests if test.value is not None]
    if not values:
        return Cell(reason="no figure of the target" if tests else "not tested there")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(float(np.mean(values)), deviation, len(values))


def _apart(record: Record, first: Record) -> list[str]:
    """Where a configuration differs from that of its model's first row, as `key=value`."""
    left_out = {*RUN_COLUMNS, *REPEATED, "modalities"}
    keys = [key for key in record if key not in left_out and not equal(record[key], first.get(key))]
    return [written(key, record[key]) for key in keys]
