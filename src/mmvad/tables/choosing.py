"""Which runs make up the rows of a study, where several studies and settings left theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmvad.tables.definitions import (
    Row,
    Settings,
    Study,
    switches,
    usual,
)
from mmvad.tables.frame import NOTED, RUN_COLUMNS
from mmvad.tables.results import (
    Record,
    Results,
    RowRuns,
    Selection,
    equal,
    matches,
    position_of,
    written,
)
from mmvad.tables.studies import STUDIES

_NOT_CONTEXT = {*RUN_COLUMNS, NOTED, "seed", "select"} - {"bank_hash", "schema"}
_VARIED = {key for study in STUDIES for key in (*study.varied, *study.free)}
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
        position = next((i for i, row in enumerate(rows) if not row.silent and matches(record, row.settings)), None)
        if position is not None:
            contexts[_context(record, study)][position].append(record)
    if not contexts:
        return Selection(tuple(RowRuns(row) for row in rows), None, {}, ())
    wanted = [usual(benchmark), *([base] if study.over is not None else [])]
    at_base = [i for settings in wanted for i, row in enumerate(rows) if matches(settings, row.settings)]
    near, parts = {**base, **usual(benchmark)}, switches(benchmark)

    def merit(context: Context) -> tuple:
        filled = contexts[context]
        on = _agreement(tuple(pair for pair in context if pair[0] in parts), near)
        has_base = any(position in filled for position in at_base)
        runs = sum(map(len, filled.values()))
        return on, len(filled) > 1, _agreement(context, near), has_base, len(filled), runs, str(context)

    chosen = max(contexts, key=merit)
    taken = [_one_a_seed(row, contexts[chosen].get(i, []), base) for i, row in enumerate(rows)]
    # A value that only other contexts have is no row of this table.
    planned = len(study.rows(benchmark))
    shown = [row for row in taken if row.runs or any(row.row is r for r in rows[:planned])]
    base_row = next((taken[position] for position in at_base if taken[position].runs), None)
    others = [c for c in sorted(contexts, key=str) if c != chosen and _is_rival(c, chosen, contexts[c], at_base, near)]
    rivals = tuple(_differences(context, chosen) for context in others)
    ordered = tuple(sorted(shown, key=lambda runs: position_of(study, runs.row)))
    return Selection(ordered, base_row, dict(chosen), rivals, _unfinished(results, benchmark, ordered, dict(chosen)))


def _agreement(context: Context, near: Settings) -> int:
    """How many settings of a context have the base's value."""
    return sum(equal(value, near.get(key)) for key, value in context)


def _is_rival(context: Context, chosen: Context, filled: Filled, at_base: Sequence[int], near: Settings) -> bool:
    """Whether runs that are left out could have been this table.

    They fill two rows; or they are the base row alone, nearer to the base than the table that is shown, or other than
    it in something that no table varies (what is varied elsewhere is a row there).
    """
    if len(filled) > 1 or not any(position in filled for position in at_base):
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


def _rows(study: Study, benchmark: str, records: list[Record]) -> list[Row]:
    """The planned rows, and where the study is of one key a row for every further value among the runs."""
    rows = study.rows(benchmark)
    if study.over is None:
        return rows
    key = study.over.key
    further = {r[key] for r in records if r.get(key) is not None and not any(matches(r, row.settings) for row in rows)}
    return [*rows, *(study.over.row(benchmark, value) for value in sorted(further))]


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
    return ", ".join(written(key, value) for key, value in context if not equal(value, ours.get(key)))
