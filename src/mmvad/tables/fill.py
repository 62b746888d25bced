"""Tables filled from runs: mean, standard deviation and n over seeds, the difference to the base row, published
figures beside ours, and for whatever is missing the command that makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mmvad.tables.choosing import select
from mmvad.tables.definitions import PAPER_ROW, Comparison, Study, headline
from mmvad.tables.filled import Cell, FilledRow, FilledTable
from mmvad.tables.frame import folds_of, method_of
from mmvad.tables.interval_notes import cell_interval_note, interval_note, seed_notes
from mmvad.tables.marks import mark_notes, quirks_of
from mmvad.tables.methods import fill_comparison
from mmvad.tables.notes import crop_note, figure_note, honesty_notes, paper_notes, row_notes
from mmvad.tables.power import corrected_note, power_note, worlds_note
from mmvad.tables.published import PAPER, find_published
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results, RowRuns, Selection, cell


def fill(table: Study | Comparison, results: Results, resampler: Resampler) -> FilledTable:
    """The table, as far as the runs allow."""
    if isinstance(table, Comparison):
        return fill_comparison(table, results, resampler)
    selection = select(results, table)
    return fill_study(table, results, resampler, compared(selection) if table.own else selection)


def compared(selection: Selection) -> Selection:
    """The same runs, compared to the first row that has any where the base row has none."""
    first = next((row for row in selection.rows if row.runs), None)
    return replace(selection, base=selection.base or first)


def fill_study(study: Study, results: Results, resampler: Resampler, selection: Selection) -> FilledTable:
    """The table of chosen runs."""
    rows = [_study_row(study, results, resampler, runs, selection) for runs in selection.rows]
    benchmark, metrics = study.benchmark, study.metrics
    notes = _stand_in_note(rows, selection)
    notes += [interval_note(rows, headline(benchmark), selection, resampler)] if any(r.difference for r in rows) else []
    notes += [*corrected_note(rows), *_power_note(study, results, selection), *cell_interval_note(rows, resampler)]
    notes += [*figure_note(metrics), *seed_notes(rows, metrics, selection), *mark_notes(rows)]
    notes += row_notes(rows, metrics)
    base = selection.base.row.label if selection.base else None
    notes += crop_note({row.row.label: row.runs for row in selection.rows}, base)
    notes += [*honesty_notes(benchmark, selection), *paper_notes(rows, benchmark)]
    return FilledTable(study.key, study.title, benchmark, (study.heading,), metrics, tuple(rows), tuple(notes), True)


def _power_note(study: Study, results: Results, selection: Selection) -> list[str]:
    metric = headline(study.benchmark)
    by_fold: dict[tuple[int, Any], list[float]] = {}  # what differs from fold to fold are test sets, not seeds
    for number, row in enumerate(selection.rows):
        for record in row.runs:
            if (value := results.figure(record, metric)[0]) is not None:
                by_fold.setdefault((number, record.get("data.fold")), []).append(100 * value)
    base = selection.base.runs if selection.base else ()
    return [*power_note(list(by_fold.values()), metric.heading), *worlds_note(results, metric, base)]


def _stand_in_note(rows: Sequence[FilledRow], selection: Selection) -> list[str]:
    if selection.base is None or selection.base.row.base or not any(row.difference for row in rows):
        return []
    label = selection.base.row.label
    return [f"no row has the base configuration's values: differences are to the first row with runs ({label})"]


def _study_row(study: Study, results: Results, resampler: Resampler, runs: RowRuns, selection: Selection) -> FilledRow:
    metrics, benchmark = study.metrics, study.benchmark
    name = PAPER if runs.row.published == PAPER_ROW else runs.row.published
    paper = tuple(find_published(name, benchmark, m.name) if name else None for m in metrics)
    paper = tuple(p if m.score in {"combined", "events"} else None for p, m in zip(paper, metrics))
    if not runs.runs:
        absent = "no audio" if runs.row.silent else study.command
        return FilledRow((runs.row.label,), (Cell(),) * len(metrics), paper, absent=absent, failed=runs.failed)
    base = selection.base
    difference = None
    if base is not None and runs is not base:
        difference = resampler.difference(results, headline(benchmark), runs.runs, base.runs)
    peer = method_of(runs.runs[0])
    return FilledRow(
        (runs.row.label,),
        tuple(resampler.with_interval(results, m, runs.runs, cell(results, m, runs.runs)) for m in metrics),
        paper,
        difference,
        tuple(record["seed"] for record in runs.runs),
        folds=folds_of(runs.runs),
        base=runs is base,
        select=runs.runs[0]["select"],
        failed=runs.failed,
        reconstruction=peer is not None and peer.reconstruction,
        quirks=quirks_of(runs.runs[0]),
    )
