"""`report.html`: all tables and figures in one file that asks nothing of the network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmvad.figures.pictures import Picture
from mmvad.report.render import WIDE, is_transposed, oriented
from mmvad.system.disk import write_whole
from mmvad.system.pages import render
from mmvad.tables.filled import FilledRow, FilledTable
from mmvad.tables.notes import OURS_NAME


@dataclass(frozen=True)
class Section:
    """One benchmark's tables and figures."""

    title: str
    tables: Sequence[FilledTable]
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class _Row:
    """A row as the page shows it: one without figures says across `span` columns why."""

    kind: str
    lead: Sequence[str]
    absent: str
    span: int
    figures: Sequence[str]


@dataclass(frozen=True)
class _Table:
    """A table as the page shows it; its first `lead` columns are words."""

    name: str
    headings: Sequence[str]
    lead: int
    wide: bool
    rows: Sequence[_Row]
    notes: Sequence[str]


@dataclass(frozen=True)
class _Section:
    """A section as the page shows it: everything with the anchor that the contents lead to."""

    title: str
    tables: Sequence[tuple[str, _Table]]
    pictures: Sequence[tuple[str, Picture]]


def write_page(file: Path, summary: Sequence[str], sections: Sequence[Section], cards: Sequence[Path] = ()) -> None:
    """Writes the page; `summary` are the lines below its title, `cards` what its runs say of themselves."""
    shown = [_section(i, section) for i, section in enumerate(sections)]
    links = [(card.parent.name, Path(os.path.relpath(card, file.parent)).as_posix()) for card in cards]
    write_whole(file, render("mmvad.report", "report.html", summary=summary, sections=shown, cards=links).encode())


def _section(position: int, section: Section) -> _Section:
    anchors = [f"s{position}-{j}" for j in range(len(section.tables) + len(section.pictures))]
    tables = [(anchor, _table(table)) for anchor, table in zip(anchors, section.tables)]
    return _Section(section.title, tables, list(zip(anchors[len(tables) :], section.pictures)))


def _table(table: FilledTable) -> _Table:
    headings, lines = oriented(table)
    transposed, lead = is_transposed(table), len(table.headings)
    owners: Sequence[FilledRow | None] = [None] * len(lines) if transposed else table.rows
    rows = [_row(row, line, lead) for row, line in zip(owners, lines)]
    # Rows that lie across say themselves which command makes them.
    notes = [note for note in table.all_notes if transposed or not note.startswith("missing:")]
    return _Table(table.name, headings, lead, len(headings) > WIDE, rows, notes)


def _row(row: FilledRow | None, line: list[str], lead: int) -> _Row:
    """A row; one that is missing says across its figures which command makes it."""
    absent = (row and row.absent) or ""
    span = len(row.cells) if row and absent else 0
    says = absent if absent in ("", "no audio") else f"missing: `{absent}`"
    return _Row(_kind(row), line[:lead], says, span, line[lead + span :])


def _kind(row: FilledRow | None) -> str:
    if row is None:
        return ""
    return "absent" if row.absent else "base" if row.base else "ours" if row.lead[0] == OURS_NAME else ""
