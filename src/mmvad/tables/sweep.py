"""The table of a sweep: a row for every combination of swept values, a column a figure, from its own runs alone.

A sweep that varies what one of the paper's tables varies gets that table's row names and published figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmvad.config.load import plain
from mmvad.config.schema import Config
from mmvad.models.outside import method_named
from mmvad.sweeps.cells import shown
from mmvad.sweeps.definition import (
    OVERLAY,
    Sweep,
    Values,
    project_file,
)
from mmvad.sweeps.grid import HERE, CellState
from mmvad.tables.bootstrap import RESAMPLES
from mmvad.tables.definitions import Row, Study, headline_and_map
from mmvad.tables.fill import fill_study
from mmvad.tables.filled import FilledTable
from mmvad.tables.frame import collect_folders, flat
from mmvad.tables.notes import OURS_NAME
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import (
    OURS,
    Record,
    Results,
    RowRuns,
    Selection,
    equal,
    matches,
    position_of,
)
from mmvad.tables.scored import Truths
from mmvad.tables.studies import STUDIES

Settings = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """The cells of one row: equal in everything but the seed."""

    settings: Settings
    states: tuple[CellState, ...]

    @property
    def values(self) -> Values:
        return self.states[0].cell.values


def sweep_table(
    sweep: Sweep, states: Sequence[CellState], base: Config, go_on: str, *, resamples: int = RESAMPLES
) -> FilledTable | None:
    """Mean, deviation and n of every row, and its difference to the base row; None where no cell is finished here.

    Args:
        base: the configuration without the sweep's lists; its row is the one that the others are compared to, or else
            the first.
        go_on: the command that runs what is missing.
    """
    finished = [state.cell.folder for state in states if state.state == HERE]
    if not finished:
        return None
    results = Results(collect_folders(finished, [sweep.file]).frame)
    varied, lines = lines_of(states)
    study, rows = paper_rows(varied, lines, sweep.benchmark) or own_rows(sweep, varied, lines)
    placed = _placed(study, rows, lines, sweep.benchmark)
    taken = [_runs(row, line, results.records) for row, line in placed]
    target = go_on.replace("{", "{{").replace("}", "}}")
    base_row = _base(taken, _settings(base))
    selection = Selection(tuple(taken), base_row, _shared(results.records), (), _waiting(placed))
    resampler = Resampler(Truths([states[0].cell.config.data.bank]), resamples)
    table = fill_study(replace(study, target=target), sweep.benchmark, results, resampler, selection)
    first = f"from the {len(finished)} finished of {len(states)} cells of {sweep.file}"
    return replace(table, notes=(first, *_stand_in_note(table, base_row, _settings(base)), *table.notes))


def lines_of(states: Sequence[CellState]) -> tuple[tuple[str, ...], list[Line]]:
    """The keys in which the cells differ, besides the seed, and the rows that follow, in the cells' order."""
    trees = [_settings(state.cell.config) for state in states]
    keys = dict.fromkeys(key for tree in trees for key in tree)
    varied = tuple(key for key in keys if len({repr(tree.get(key)) for tree in trees}) > 1)
    grouped: dict[str, list[int]] = {}
    for position, tree in enumerate(trees):
        grouped.setdefault(repr([tree.get(key) for key in varied]), []).append(position)
    return varied, [Line(trees[positions[0]], tuple(states[i] for i in positions)) for positions in grouped.values()]


def paper_rows(varied: Sequence[str], lines: Sequence[Line], benchmark: str) -> tuple[Study, list[Row]] | None:
    """The paper's table that varies this, if every line is a row of it, and a row for each line."""
    for study in sorted(STUDIES, key=lambda study: len(study.varied)):
        if varied and set(varied) <= {*study.varied, *study.free}:
            rows = [_row_of(study, benchmark, line.settings) for line in lines]
            found = [row for row in rows if row is not None]
            if len({row.label for row in found}) == len(lines):
                return study, found
    return None


def own_rows(sweep: Sweep, varied: Sequence[str], lines: Sequence[Line]) -> tuple[Study, list[Row]]:
    """The table of any other sweep, its rows named by the swept values."""
    titles = _titles(sweep, lines)
    rows = [Row(_label(sweep, line.values, titles), {key: line.settings.get(key) for key in varied}) for line in lines]
    return Study("sweep", f"Sweep {sweep.name}", tuple(varied), lambda _: rows, headline_and_map, ""), rows


def _row_of(study: Study, benchmark: str, settings: Settings) -> Row | None:
    further = [study.over.row(benchmark, settings[study.over.key])] if study.over else []
    return next((row for row in [*study.rows(benchmark), *further] if matches(settings, row.settings)), None)


def _label(sweep: Sweep, values: Values, titles: Mapping[str, str]) -> str:
    """`lambda_contrast 0.1, lambda_embed 0.0002`; a single swept key is named by its values alone."""
    keys = [key for key in sweep.swept if key != "seed" and key in values]
    words = {key: titles[values[key]] if key == OVERLAY else shown(values[key]) for key in keys}
    if len(words) < 2:
        return next(iter(words.values()), sweep.name)
    return ", ".join(f"{key.rpartition('.')[2]} {word}" for key, word in words.items())


def _titles(sweep: Sweep, lines: Sequence[Line]) -> dict[str, str]:
    """What each overlay is called: its method, where peers are compared and no other overlay is of the same."""
    models = [(line.values[OVERLAY], line.states[0].cell.config.model.name) for line in lines if OVERLAY in line.values]
    pairs = list(dict.fromkeys(models))
    overlays, names = [overlay for overlay, _ in pairs], [name for _, name in pairs]
    methods = {name: method.title for name in names if (method := method_named(name))}
    if methods:
        methods[OURS] = OURS_NAME
    titles = {}
    for overlay, name in pairs:
        alone = overlays.count(overlay) == names.count(name) == 1
        titles[overlay] = methods[name] if alone and name in methods else _comment(sweep, overlay)
    return titles


def _comment(sweep: Sweep, overlay: str) -> str:
    """The comment that an overlay begins with, or else its file's name."""
    first = project_file(overlay, sweep.file).read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else Path(overlay).stem


def _placed(study: Study, rows: list[Row], lines: list[Line], benchmark: str) -> list[tuple[Row, Line | None]]:
    """Rows and their cells in the table's order, with the rows that a silent benchmark cannot run."""
    planned = [row.label for row in study.rows(benchmark)]
    placed: list[tuple[Row, Line | None]] = list(zip(rows, lines))
    placed += [(row, None) for row in study.rows(benchmark) if row.silent]
    order = {label: position for position, label in enumerate(planned)}
    return sorted(placed, key=lambda pair: (position_of(study, pair[0]), order.get(pair[0].label, len(order))))


def _runs(row: Row, line: Line | None, records: Sequence[Record]) -> RowRuns:
    if line is None:
        return RowRuns(row)
    identities = {state.cell.identity for state in line.states}
    own = sorted((r for r in records if r["identity"] in identities), key=lambda r: r["seed"])
    failed = tuple((s.cell.config.seed, _short(s.reason)) for s in line.states if s.state == "failed")
    return RowRuns(row, tuple(own), failed=failed)


def _short(reason: str) -> str:
    text = " ".join(reason.split())
    return text if len(text) <= 200 else f"{text[:199]}…"


def _base(taken: Sequence[RowRuns], base: Settings) -> RowRuns | None:
    """The row of the base configuration, or the first one that has runs."""
    with_runs = [runs for runs in taken if runs.runs]
    return next((runs for runs in with_runs if matches(base, runs.row.settings)), with_runs[0] if with_runs else None)


def _stand_in_note(table: FilledTable, row: RowRuns | None, base: Settings) -> list[str]:
    if row is None or matches(base, row.row.settings) or not any(r.difference for r in table.rows):
        return []
    return [f"no row has the base configuration's values: differences are to the first that was run ({row.row.label})"]


def _shared(records: Sequence[Record]) -> Settings:
    """The configuration that all runs share."""
    return {key: value for key, value in records[0].items() if all(equal(record[key], value) for record in records)}


def _waiting(placed: Sequence[tuple[Row, Line | None]]) -> tuple[str, ...]:
    """Cells that are neither finished nor failed, of rows that have others."""
    return tuple(
        f"{row.label} (seed {state.cell.config.seed})"
        for row, line in placed
        if line and any(state.state == HERE for state in line.states)
        for state in line.states
        if state.state not in {HERE, "failed"}
    )


def _settings(config: Config) -> Settings:
    """The configuration as dotted keys, without the seed and what does not change a result."""
    tree = flat(plain(config))
    return {key: value for key, value in tree.items() if key not in {"seed", "data.bank"} and key[:8] != "runtime."}
