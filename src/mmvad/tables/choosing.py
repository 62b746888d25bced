"""Which runs make up the rows of a study: those that its sweep makes, or the nearest where there are none of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mmvad.models.outside import OURS
from mmvad.tables.definitions import Row, Settings, Study, switches, usual
from mmvad.tables.expected import WEIGHTS
from mmvad.tables.frame import NOTED, REPEATED, RUN_COLUMNS, data_of, repetition
from mmvad.tables.results import Record, Results, RowRuns, Selection, equal, matches, written
from mmvad.tables.studies import studies

_SHARED = ("schema", "precision")
"""What the runs of a join have in common besides data and text weights: a configuration knows none of it."""
_NOT_CONTEXT = {*RUN_COLUMNS, *REPEATED, NOTED, "select"} - {"schema"}
Context = tuple[tuple[str, Any], ...]
Filled = Mapping[int, list[Record]]
"""The runs of one context by the position of their row."""


def select(results: Results, study: Study) -> Selection:
    """The runs that fill the study's rows: those of its sweep, as `joined` has it.

    Where these are the base row's at most, and runs of other settings fill more rows, it is the `nearest` of those.
    """
    own = joined(results, study)
    if not _of_one_model(study) or any(row.runs and not row.row.base for row in own.rows):
        return own
    near = nearest(results, study)
    return near if _rows_with_runs(near) > _rows_with_runs(own) else own


def joined(results: Results, study: Study) -> Selection:
    """The runs that are what the study's sweep makes: a row has those of its recipe.

    All are of one bank, text weights and precision: those that fill most rows, then the base row, then most runs, then
    the newest.
    """
    records = [record for name in sorted(study.models) for record in results.of(study.benchmark, name)]
    groups: dict[Context, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        position = _joined_row(study, record)
        if position is not None:
            groups[_group(record, study)][position].append(record)
    if not groups:
        return Selection(_empty(study), None, {}, ())

    def merit(group: Context) -> tuple:
        runs = [record for filled in groups[group].values() for record in filled]
        base = any(study.rows[position].base for position in groups[group])
        return len(groups[group]), base, len(runs), max(str(run["finished"]) for run in runs), str(group)

    filled = groups[max(groups, key=merit)]
    base = [position for position, row in enumerate(study.rows) if row.base]
    contexts = _contexts(records, study, ("precision",)) if _of_one_model(study) else groups
    return _selection(results, study, filled, base, contexts, ("precision",))


def nearest(results: Results, study: Study) -> Selection:
    """The runs whose values of the varied keys are those of the rows: of all contexts the one nearest to the base.

    Contexts are ranked by how many switches stand as in the shipped base configuration (one that has parts switched off
    is another network, however many rows it fills), then by whether they fill two rows, by all other settings, by
    whether the base row is there, and by rows and runs.
    """
    base = results.base(study.benchmark)
    contexts = _contexts(results.of(study.benchmark), study)
    if not contexts:
        return Selection(_empty(study), None, {}, ())
    at_base = [i for i, row in enumerate(study.rows) if row.base]
    at_base += [i for i, row in enumerate(study.rows) if i not in at_base and matches(base, row.settings)]
    near, parts = _near(results, study.benchmark), switches(study.benchmark)

    def merit(context: Context) -> tuple:
        filled = contexts[context]
        on = _agreement(tuple(pair for pair in context if pair[0] in parts), near)
        has_base = any(position in filled for position in at_base)
        runs = sum(map(len, filled.values()))
        return on, len(filled) > 1, _agreement(context, near), has_base, len(filled), runs, str(context)

    filled = contexts[max(contexts, key=merit)]
    return _selection(results, study, filled, at_base, contexts, command=study.command)


def _selection(
    results: Results,
    study: Study,
    filled: Filled,
    at_base: Sequence[int],
    contexts: Mapping[Context, Filled],
    further: Sequence[str] = (),
    command: str = "",
) -> Selection:
    """The rows with their runs, and what has to be said of those that are left out.

    Args:
        contexts: all runs that could stand in these rows, by what they share.
        further: keys that count to a context besides the configuration.
    """
    base, near = results.base(study.benchmark), _near(results, study.benchmark)
    taken = [_one_a_seed(row, filled.get(i, []), base) for i, row in enumerate(study.rows)]
    base_row = next((taken[position] for position in at_base if taken[position].runs), None)
    one = (base_row or next(row for row in taken if row.runs)).runs[0]
    chosen = _context(one, study, further)
    others = [
        c for c in sorted(contexts, key=str) if c != chosen and _is_rival(c, chosen, contexts[c], at_base, near, study)
    ]
    rivals = tuple(_differences(context, chosen) for context in others)
    rows = tuple(row for row in taken if row.runs or row.row.planned)
    context = {key: value for key, value in _shared(rows, chosen) if key not in further}
    unfinished = _unfinished(results, study.benchmark, rows, context)
    return Selection(rows, base_row, context, rivals, unfinished, command)


def _of_one_model(study: Study) -> bool:
    """Whether every run reads the same keys, so that runs compare key by key."""
    return study.models == {OURS}


def _shared(rows: Sequence[RowRuns], chosen: Context) -> Context:
    """The context, and what else all runs of the rows have in common: of several models the context is no more than
    their group."""
    runs = [run for row in rows for run in row.runs]
    common = {
        key: value
        for key, value in runs[0].items()
        if key not in _NOT_CONTEXT and all(equal(run.get(key), value) for run in runs)
    }
    return tuple({**common, **dict(chosen)}.items())


def _joined_row(study: Study, record: Record) -> int | None:
    """The position of the row that has the run's recipe and, where they are varied, its text weights."""
    for position, row in enumerate(study.rows):
        weights = {key: value for key, value in row.settings.items() if key == WEIGHTS}
        if row.recipe == record["recipe"] and not row.silent and matches(record, weights):
            return position
    return None


def _group(record: Record, study: Study) -> Context:
    weights = () if WEIGHTS in study.varied else ((WEIGHTS, _weights(record)),)
    return (*((key, record[key]) for key in _SHARED), ("bank_hash", data_of(record)), *weights)


def _contexts(records: Sequence[Record], study: Study, further: Sequence[str] = ()) -> dict[Context, Filled]:
    """The runs that have the varied values of a row, by everything else that the rows of a table must share."""
    contexts: dict[Context, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        rows = enumerate(study.rows)
        position = next((i for i, row in rows if not row.silent and matches(record, row.settings)), None)
        if position is not None:
            contexts[_context(record, study, further)][position].append(record)
    return dict(contexts)


def _context(record: Record, study: Study, further: Sequence[str] = ()) -> Context:
    """Everything that the rows of a table must share."""
    if not _of_one_model(study):
        return _group(record, study)
    left_out = (_NOT_CONTEXT - {*further}) | study.varied
    left = {key: value for key, value in record.items() if key not in left_out}
    weights = {} if WEIGHTS in study.varied else {WEIGHTS: _weights(record)}
    return tuple(sorted({**left, **weights, "bank_hash": data_of(record)}.items()))


def _weights(record: Record) -> str | None:
    """The same weights lie at different places on different machines."""
    return Path(record[WEIGHTS]).name if record.get(WEIGHTS) else None


def _near(results: Results, benchmark: str) -> Settings:
    return {**results.base(benchmark), **usual(benchmark)}


def _agreement(context: Context, near: Settings) -> int:
    """How many settings of a context have the base's value."""
    return sum(equal(value, near.get(key)) for key, value in context)


def _is_rival(
    context: Context, chosen: Context, filled: Filled, at_base: Sequence[int], near: Settings, study: Study
) -> bool:
    """Whether runs that are left out could have been this table.

    They fill two rows; or they are the base row alone, nearer to the base than the table that is shown, or other than
    it in something that no table varies (what is varied elsewhere is a row there).
    """
    if len(filled) > 1 or not any(position in filled for position in at_base):
        return len(filled) > 1
    ours, varied = dict(chosen), _varied_anywhere(study.benchmark)
    elsewhere = all(key in varied or equal(value, ours.get(key)) for key, value in context)
    return not elsewhere or _agreement(context, near) > _agreement(chosen, near)


@cache
def _varied_anywhere(benchmark: str) -> frozenset[str]:
    return frozenset(key for study in studies(benchmark) for key in study.varied)


def _unfinished(results: Results, benchmark: str, rows: Sequence[RowRuns], context: Settings) -> tuple[str, ...]:
    """Runs without a report that belong in one of these rows, as `row (seed)`; a configuration knows no bank's hash."""
    shared = {key: value for key, value in context.items() if key not in {"bank_hash", "schema", WEIGHTS}}
    here = [record for record in results.unfinished if matches(record, {**shared, "benchmark": benchmark})]
    found = [
        f"{row.row.label} ({_called(record)})"
        for row in rows
        for record in here
        if matches(record, row.row.settings) and repetition(record) not in {repetition(run) for run in row.runs}
    ]
    return tuple(dict.fromkeys(found))


def _called(record: Record) -> str:
    fold, seed = repetition(record)
    return f"fold {fold}, seed {seed}" if fold else f"seed {seed}"


def _one_a_seed(row: Row, records: list[Record], base: Settings) -> RowRuns:
    """One run a seed, all chosen by one checkpoint policy, if possible in the commonest precision; else the newest."""
    if not records:
        return RowRuns(row)
    policies = sorted({r["select"] for r in records}, key=lambda p: (p != base.get("select"), p == "best_test", str(p)))
    records = [record for record in records if record["select"] == policies[0]]
    records.sort(key=lambda r: (r["precision"] == base.get("precision"), str(r["finished"]), r["identity"]))
    by_seed = {repetition(record): record for record in records}
    return RowRuns(row, tuple(by_seed[key] for key in sorted(by_seed)), len(records) - len(by_seed))


def _empty(study: Study) -> tuple[RowRuns, ...]:
    return tuple(RowRuns(row) for row in study.rows if row.planned)


def _rows_with_runs(selection: Selection) -> int:
    return sum(bool(row.runs) for row in selection.rows)


def _differences(context: Context, chosen: Context) -> str:
    ours = dict(chosen)
    return ", ".join(written(key, value) for key, value in context if not equal(value, ours.get(key)))
