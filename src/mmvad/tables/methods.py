"""The tables of methods: published figures, every peer that was run here with its published figure, and ours."""

from __future__ import annotations

from collections.abc import Sequence

from mmvad.benchmarks.registry import own_benchmark
from mmvad.metrics.measures import HOURS, allowed_alarms
from mmvad.tables.choosing import select
from mmvad.tables.definitions import PAPER_ROW, SPELLED, Comparison, Metric, Settings
from mmvad.tables.filled import Cell, FilledRow, FilledTable, cell_text
from mmvad.tables.frame import folds_of
from mmvad.tables.interval_notes import cell_interval_note, seed_notes
from mmvad.tables.marks import mark_notes, quirks_of
from mmvad.tables.measured import Measured, features_of, measured, peer_notes
from mmvad.tables.notes import OURS_NAME, crop_note, figure_note, honesty_notes, row_notes
from mmvad.tables.published import PAPER, Published, confidence_notes, find_published, published_figures
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results, RowRuns, Selection, cell


def fill_comparison(table: Comparison, results: Results, resampler: Resampler) -> FilledTable:
    """The table: published methods, the peers that were run here, ours."""
    metrics = tuple(table.metrics.values())
    selection = select(results, table.ours)
    run_here, peers = measured_rows(table, results, resampler)
    rows = [*_method_rows(table), *run_here, *_our_rows(table, results, selection, resampler)]
    if table.modalities:
        order = list(SPELLED.values())
        rows = [row for row in rows if row.lead[-1] in order]
        rows.sort(key=lambda row: order.index(row.lead[-1]))
    headings = ("method", *(("supervision",) if table.supervision else ()), "features", "modality")
    published = [figure for row in rows for figure in (*(c.published for c in row.cells), *row.paper) if figure]
    notes = [
        *figure_note(metrics, published=any(not row.ours for row in rows)),
        *cell_interval_note(rows, resampler),
        *seed_notes(rows, metrics),
        *mark_notes(rows),
        *score_notes(table, results, run_here, peers),
        *_hours_note(table, results),
    ]
    notes += [*row_notes(rows, metrics), *peer_notes(peers, table.benchmark)]
    runs = {peer.title: peer.runs for peer in peers}
    notes += honesty_notes(table.benchmark, selection, runs)
    notes += crop_note({OURS_NAME: [run for row in selection.rows for run in row.runs], **runs})
    notes += confidence_notes(published)
    return FilledTable(
        table.key, table.title, table.benchmark, headings, metrics, tuple(rows), tuple(notes), study=False
    )


def _hours_note(table: Comparison, results: Results) -> list[str]:
    """How many false alarms the test sets allow, under a table that counts them by the hour."""
    if not any(name.startswith("found_at_") for name in table.metrics):
        return []
    hours = Metric("combined", HOURS, "test hours")
    records = [record for record in results.records if record["benchmark"] == table.benchmark]
    found = [value for record in records if (value := results.figure(record, hours)[0]) is not None]
    return [allowed_alarms(found)] if found else []


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
    return tuple(Cell(f.value, published=f) if f else Cell(reason="not published") for f in figures)


def _our_rows(table: Comparison, results: Results, selection: Selection, resampler: Resampler) -> list[FilledRow]:
    """Our base row, or one for each modality."""
    wanted = [r for r in selection.rows if table.modalities or r.row.published == PAPER_ROW]
    return [_our_row(table, results, runs, resampler) for runs in wanted if not runs.row.silent]


def _our_row(table: Comparison, results: Results, runs: RowRuns, resampler: Resampler) -> FilledRow:
    features = features_of(runs.runs[0]) if runs.runs else _features_not_run(table.benchmark, runs.row.settings)
    lead = (OURS_NAME, *(("weak",) if table.supervision else ()), features, runs.row.label)
    if not runs.runs:
        return FilledRow(lead, (Cell(),) * len(table.metrics), absent=table.command)
    return FilledRow(
        lead,
        tuple(
            resampler.with_interval(results, metric, runs.runs, cell(results, metric, runs.runs))
            for metric in table.metrics.values()
        ),
        seeds=tuple(record["seed"] for record in runs.runs),
        folds=folds_of(runs.runs),
        select=runs.runs[0]["select"],
        quirks=quirks_of(runs.runs[0]),
    )


def _features_not_run(benchmark: str, settings: Settings) -> str:
    """What a row without runs would read: `planted` has features of its own, a user's are known to runs alone."""
    if own_benchmark(benchmark):
        return "-"
    return features_of(
        {**settings, "benchmark": benchmark, "features": "planted" if benchmark == "planted" else "CLIP"}
    )


def measured_row(table: Comparison, results: Results, peer: Measured, resampler: Resampler) -> FilledRow:
    """One peer's row: our figures, and the published ones beside them."""
    own = (peer.variant and peer.variant.supervision) or peer.peer.supervision
    supervision = (own,) if table.supervision else ()
    return FilledRow(
        (peer.title, *supervision, peer.features, peer.modality),
        tuple(_measured_cell(results, peer, metric, resampler) for metric in table.metrics.values()),
        tuple(_published(table, peer, name) for name in table.metrics),
        seeds=tuple(record["seed"] for record in peer.runs),
        folds=folds_of(peer.runs),
        select=peer.runs[0]["select"],
        reconstruction=peer.peer.reconstruction,
        quirks=quirks_of(peer.runs[0]),
        elsewhere=peer.elsewhere,
    )


def _measured_cell(results: Results, peer: Measured, metric: Metric, resampler: Resampler) -> Cell:
    reason = peer.variant.unmeasured.get(metric.name) if peer.variant else None
    if reason:
        return Cell(reason=f"{peer.title}: {reason}")
    return resampler.with_interval(results, metric, peer.runs, cell(results, metric, peer.runs))


def _published(table: Comparison, peer: Measured, metric: str) -> Published | None:
    """The method's published figure that is nearest to what was run."""
    method = peer.published
    return find_published(method, table.benchmark, metric, peer.features, peer.modality) if method else None


def measured_rows(table: Comparison, results: Results, resampler: Resampler) -> tuple[list[FilledRow], list[Measured]]:
    """The rows of all peers that were run, and the runs behind them."""
    peers = [p for p in measured(results, table.benchmark) if not table.fine or p.peer.classes]
    return [measured_row(table, results, p, resampler) for p in peers], peers


def score_notes(table: Comparison, results: Results, rows: Sequence[FilledRow], peers: Sequence[Measured]) -> list[str]:
    """Where a published figure is not of the score that its column holds, and what that score has here."""
    notes = []
    for row, peer in zip(rows, peers):
        for published, (name, metric) in zip(row.paper, table.metrics.items()):
            score = peer.peer.published_scores.get(name)
            if published and score:
                here = cell_text(cell(results, Metric(score, metric.name, metric.heading), peer.runs))
                notes.append(
                    f"{peer.title}: the published {metric.heading} is the {score} score's, which has {here} here; "
                    f"the column holds the {metric.score} score's"
                )
        if any(figure and "smoothed" in figure.source for figure in row.paper):
            notes.append(f"{peer.title}: the published figures are of smoothed scores (quirks.smoothing)")
    return notes
