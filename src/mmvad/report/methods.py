"""The tables of methods: published figures, every peer that was run here with its published figure, and ours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mmvad.config.peers import PEERS, Peer
from mmvad.report.definitions import PAPER_ROW, SPELLED, Comparison
from mmvad.report.filled import QUIRKY, RECONSTRUCTED, Cell, FilledRow, FilledTable
from mmvad.report.notes import honesty_notes, row_notes
from mmvad.report.published import PAPER, Published, confidence_notes, find_published, published_figures
from mmvad.report.results import Record, Results, RowRuns, Selection, cell, equal, select
from mmvad.report.studies import MODALITIES

_NOT_CONTEXT = {"run", "path", "identity", "seed", "select", "finished", "device", "versions", "precision", "bank"}


def fill_comparison(table: Comparison, results: Results) -> FilledTable:
    """The table: published methods, the peers that were run here, ours."""
    metrics = tuple(table.metrics.values())
    selection = select(results, MODALITIES, table.benchmark)
    run_here, told = measured_rows(table, results)
    rows = [*_method_rows(table), *run_here, *_our_rows(table, results, selection)]
    if table.modalities:
        order = list(SPELLED.values())
        rows = [row for row in rows if row.lead[-1] in order]
        rows.sort(key=lambda row: order.index(row.lead[-1]))
    headings = ("method", *(("supervision",) if table.supervision else ()), "features", "modality")
    published = [figure for row in rows for figure in (*(c.published for c in row.cells), *row.paper) if figure]
    notes = [*method_notes(rows), *told, *row_notes(rows, metrics), *honesty_notes(table.benchmark, selection)]
    notes += confidence_notes(published)
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
    features = features_of(runs.runs[0]) if runs.runs else "CLIP+VGGish" if "A" in runs.row.label else "CLIP"
    lead = ("ours", *(("weak",) if table.supervision else ()), features, runs.row.label)
    if not runs.runs:
        return FilledRow(lead, (Cell(),) * len(table.metrics), absent=table.command(table.benchmark))
    return FilledRow(
        lead,
        tuple(cell(results, metric, runs.runs) for metric in table.metrics.values()),
        seeds=tuple(record["seed"] for record in runs.runs),
        peeked=runs.runs[0]["select"] == "best_test",
        quirks=quirks_of(runs.runs[0]),
    )


@dataclass(frozen=True)
class Measured:
    """The runs of one peer: one a seed, all of one configuration: the one with most seeds, of those the newest."""

    name: str
    runs: tuple[Record, ...]
    rivals: int

    @property
    def peer(self) -> Peer:
        return PEERS[self.name]


def measured(results: Results, benchmark: str) -> list[Measured]:
    """Every peer that was run on the benchmark, in the order of the years."""
    found = []
    for name in PEERS:
        groups: dict[str, dict[int, Record]] = defaultdict(dict)
        for record in sorted(results.of(benchmark, name), key=lambda r: (str(r["finished"]), r["identity"])):
            context = {key: value for key, value in record.items() if key not in _NOT_CONTEXT}
            groups[repr(sorted(context.items()))][record["seed"]] = record
        if groups:
            chosen = max(groups, key=lambda c: (len(groups[c]), max(str(r["finished"]) for r in groups[c].values())))
            runs = tuple(groups[chosen][seed] for seed in sorted(groups[chosen]))
            found.append(Measured(name, runs, len(groups) - 1))
    return found


def measured_row(table: Comparison, results: Results, peer: Measured) -> FilledRow:
    """One peer's row: our figures, and the published ones beside them."""
    first = peer.runs[0]
    modality = SPELLED[first["modalities"]]
    features = features_of(first)
    supervision = (peer.peer.supervision,) if table.supervision else ()
    return FilledRow(
        (peer.peer.title, *supervision, features, modality),
        tuple(cell(results, metric, peer.runs) for metric in table.metrics.values()),
        tuple(_published(peer.name, table, name, features) for name in table.metrics),
        seeds=tuple(record["seed"] for record in peer.runs),
        peeked=first["select"] == "best_test",
        reconstruction=peer.peer.reconstruction,
        quirks=quirks_of(first),
    )


def features_of(record: Record) -> str:
    """What a run's pictures, and where it listens its sound, were read with."""
    visual = str(record.get("features") or "CLIP")
    return f"{visual}+VGGish" if "a" in record["modalities"] and visual != "planted" else visual


def quirks_of(record: Record) -> tuple[str, ...]:
    """The published quirks that a run used, as `key=value`."""
    plain = {"quirks.smoothing": "none"}
    quirks = {key: value for key, value in record.items() if key.startswith("quirks.") and value is not None}
    return tuple(
        f"{key.removeprefix('quirks.')}={value}"
        for key, value in quirks.items()
        if not equal(value, plain.get(key, False))
    )


def _published(name: str, table: Comparison, metric: str, features: str) -> Published | None:
    """The method's published figure, with the same features where there is one."""
    method = PEERS[name].published
    if method is None:
        return None
    return find_published(method, table.benchmark, metric, features) or find_published(method, table.benchmark, metric)


def measured_rows(table: Comparison, results: Results) -> tuple[list[FilledRow], list[str]]:
    """The rows of all peers that were run, and what has to be said of them."""
    peers = measured(results, table.benchmark)
    fit = [p for p in peers if not table.fine or p.peer.classes]
    notes = [
        f"{p.peer.title}: {p.rivals} other configurations of it were run too and are left out" for p in fit if p.rivals
    ]
    return [measured_row(table, results, p) for p in fit], notes


def method_notes(rows: Sequence[FilledRow]) -> list[str]:
    """What the marks of methods mean."""
    notes = [f"{QUIRKY} {row.lead[0]}: published quirks on: {', '.join(row.quirks)}" for row in rows if row.quirks]
    if any(row.reconstruction for row in rows):
        notes.append(f"{RECONSTRUCTED} reconstruction: parts are inferred, since neither paper nor code says them")
    return notes
