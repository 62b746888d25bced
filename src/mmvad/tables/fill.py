"""Tables filled from runs: mean, standard deviation and n over seeds, the difference to the base row, published
figures beside ours, and for whatever is missing the command that makes it.
"""

from __future__ import annotations

from mmvad.tables.choosing import select
from mmvad.tables.definitions import (
    PAPER_ROW,
    Comparison,
    Study,
    headline,
)
from mmvad.tables.filled import Cell, FilledRow, FilledTable
from mmvad.tables.frame import method_of
from mmvad.tables.marks import mark_notes, quirks_of
from mmvad.tables.methods import fill_comparison
from mmvad.tables.notes import (
    crop_note,
    figure_note,
    honesty_notes,
    interval_note,
    paper_notes,
    row_notes,
    seed_notes,
)
from mmvad.tables.published import PAPER, find_published
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import (
    Results,
    RowRuns,
    Selection,
    cell,
)


def fill(table: Study | Comparison, benchmark: str, results: Results, resampler: Resampler) -> FilledTable:
    """The table on a benchmark, as far as the runs allow."""
    if isinstance(table, Comparison):
        return fill_comparison(table, results)
    return fill_study(table, benchmark, results, resampler, select(results, table, benchmark))


def fill_study(
    study: Study, benchmark: str, results: Results, resampler: Resampler, selection: Selection
) -> FilledTable:
    """The table of chosen runs."""
    metrics = tuple(study.metrics(benchmark))
    rows = [_study_row(study, benchmark, results, resampler, runs, selection) for runs in selection.rows]
    notes = [interval_note(rows, headline(benchmark), selection, resampler)] if any(r.difference for r in rows) else []
    notes += [*figure_note(metrics), *seed_notes(rows, selection), *mark_notes(rows), *row_notes(rows, metrics)]
    base = selection.base.row.label if selection.base else None
    notes += crop_note({row.row.label: row.runs for row in selection.rows}, base)
    notes += [*honesty_notes(benchmark, selection), *paper_notes(rows, benchmark)]
    heading = study.over.key if study.over else "row"
    return FilledTable(study.key, study.title, benchmark, (heading,), metrics, tuple(rows), tuple(notes), True)


def _study_row(
    study: Study, benchmark: str, results: Results, resampler: Resampler, runs: RowRuns, selection: Selection
) -> FilledRow:
    metrics = study.metrics(benchmark)
    name = PAPER if runs.row.published == PAPER_ROW else runs.row.published
    paper = tuple(find_published(name, benchmark, m.name) if name else None for m in metrics)
    paper = tuple(p if m.score in {"combined", "events"} else None for p, m in zip(paper, metrics))
    if not runs.runs:
        absent = "no audio" if runs.row.silent else study.command(benchmark)
        return FilledRow((runs.row.label,), (Cell(),) * len(metrics), paper, absent=absent, failed=runs.failed)
    base = selection.base
    difference = None
    if base is not None and runs is not base:
        difference = resampler.difference(results, headline(benchmark), runs.runs, base.runs)
    peer = method_of(runs.runs[0])
    return FilledRow(
        (runs.row.label,),
        tuple(cell(results, metric, runs.runs) for metric in metrics),
        paper,
        difference,
        tuple(record["seed"] for record in runs.runs),
        base=runs is base,
        select=runs.runs[0]["select"],
        failed=runs.failed,
        reconstruction=peer is not None and peer.reconstruction,
        quirks=quirks_of(runs.runs[0]),
    )
