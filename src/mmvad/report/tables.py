"""Tables filled from runs: mean, standard deviation and n over seeds, the difference to the base row, published
figures beside ours, and for whatever is missing the command that makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmvad.report.definitions import PAPER_ROW, SPELLED, Comparison, Metric, Study, headline
from mmvad.report.filled import Cell, FilledRow, FilledTable
from mmvad.report.notes import honesty_notes, interval_note, paper_notes, row_notes
from mmvad.report.published import PAPER, Published, confidence_notes, find_published, published_figures
from mmvad.report.resampling import Resampler
from mmvad.report.results import Record, Results, RowRuns, Selection, select
from mmvad.report.studies import STUDIES

_SCALES = {"trainable_parameters": 1e-6, "test_fps": 1.0}


def fill(table: Study | Comparison, benchmark: str, results: Results, resampler: Resampler) -> FilledTable:
    """The table on a benchmark, as far as the runs allow."""
    if isinstance(table, Comparison):
        return _fill_comparison(table, results)
    return fill_study(table, benchmark, results, resampler, select(results, table, benchmark))


def cell(results: Results, metric: Metric, records: Sequence[Record]) -> Cell:
    """Mean, standard deviation and n of a figure over the runs of a row."""
    figures = [results.figure(record, metric) for record in records]
    scale = _SCALES.get(metric.name, 100.0)
    values = [scale * value for value, _ in figures if value is not None]
    if not values:
        return Cell(reason=next((reason for _, reason in figures), None))
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(float(np.mean(values)), deviation, len(values))


def fill_study(
    study: Study, benchmark: str, results: Results, resampler: Resampler, selection: Selection
) -> FilledTable:
    """The table of chosen runs."""
    metrics = tuple(study.metrics(benchmark))
    rows = [_study_row(study, benchmark, results, resampler, runs, selection) for runs in selection.rows]
    notes = [*row_notes(rows, metrics), *honesty_notes(benchmark, selection), *paper_notes(rows)]
    if any(row.difference for row in rows):
        notes.insert(0, interval_note(rows, headline(benchmark), selection, resampler))
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
    return FilledRow(
        (runs.row.label,),
        tuple(cell(results, metric, runs.runs) for metric in metrics),
        paper,
        difference,
        tuple(record["seed"] for record in runs.runs),
        base=runs is base,
        peeked=runs.runs[0]["select"] == "best_test",
        failed=runs.failed,
    )


def _fill_comparison(table: Comparison, results: Results) -> FilledTable:
    metrics = tuple(table.metrics.values())
    selection = select(results, next(study for study in STUDIES if study.key == "VI"), table.benchmark)
    rows = [*_method_rows(table), *_our_rows(table, results, selection)]
    if table.modalities:
        order = list(SPELLED.values())
        rows = [row for row in rows if row.lead[-1] in order]
        rows.sort(key=lambda row: order.index(row.lead[-1]))
    headings = ("method", *(("supervision",) if table.supervision else ()), "features", "modality")
    published = [c.published for row in rows for c in row.cells if c.published]
    notes = [*row_notes(rows, metrics), *honesty_notes(table.benchmark, selection), *confidence_notes(published)]
    return FilledTable(
        table.key, table.title, table.benchmark, headings, metrics, tuple(rows), tuple(notes), study=False
    )


def _method_rows(table: Comparison) -> list[FilledRow]:
    """The published methods, each with the figures that its source gives; the paper's prompt counts are Fig. 5's."""
    methods: dict[tuple[str, ...], dict[str, Published]] = {}
    for figure in published_figures():
        if figure.dataset == table.benchmark and figure.metric in table.metrics and "M/2" not in figure.method:
            supervision = (figure.supervision,) if table.supervision else ()
            key = (figure.method, *supervision, figure.feature or "-", figure.modality or "-")
            methods.setdefault(key, {})[figure.metric] = figure
    ordered = sorted(methods, key=lambda lead: lead[0] == PAPER)
    return [FilledRow(lead, _published_cells(table, methods[lead]), ours=False) for lead in ordered]


def _published_cells(table: Comparison, found: dict[str, Published]) -> tuple[Cell, ...]:
    figures = [found.get(name) for name in table.metrics]
    return tuple(Cell(f.value, n=1, published=f) if f else Cell(reason="not published") for f in figures)


def _our_rows(table: Comparison, results: Results, selection: Selection) -> list[FilledRow]:
    """Our base row, or one for each modality."""
    wanted = [r for r in selection.rows if table.modalities or r.row.published == PAPER_ROW]
    return [_our_row(table, results, runs) for runs in wanted if not runs.row.silent]


def _our_row(table: Comparison, results: Results, runs: RowRuns) -> FilledRow:
    features = "CLIP+VGGish" if "A" in runs.row.label else "CLIP"
    lead = ("ours", *(("weak",) if table.supervision else ()), features, runs.row.label)
    if not runs.runs:
        return FilledRow(lead, (Cell(),) * len(table.metrics), absent=table.command(table.benchmark))
    row = FilledRow(lead, tuple(cell(results, metric, runs.runs) for metric in table.metrics.values()))
    seeds = tuple(record["seed"] for record in runs.runs)
    return replace(row, seeds=seeds, peeked=runs.runs[0]["select"] == "best_test")
