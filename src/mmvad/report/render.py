"""A filled table as Markdown, LaTeX, CSV, and on the terminal."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmvad.metrics.bootstrap import Difference
from mmvad.system.disk import write_whole
from mmvad.system.markdown import as_note, as_text
from mmvad.tables.definitions import Metric
from mmvad.tables.filled import (
    ELSEWHERE,
    QUIRKY,
    RECONSTRUCTED,
    SEEDS_ONLY,
    SELECTED_ON_TEST,
    Cell,
    FilledRow,
    FilledTable,
    cell_text,
)

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    SELECTED_ON_TEST: r"$\dagger$",
    RECONSTRUCTED: r"$\ddagger$",
    QUIRKY: r"\S{}",
    ELSEWHERE: r"\P{}",
    SEEDS_ONLY: r"$\|$",
    **{mark: "\\" + mark for mark in "&%$#_{}"},
}
_LATEX_MARK = re.compile("|".join(map(re.escape, _LATEX)))
_WHOLE = {"test_fps", "test_snippets", "train_seconds"}
_LATEX_MINUS = re.compile(r"(?<![^\s\[(])-(?=\d)")
WIDE = 9
"""Columns above which a table of few rows is transposed."""


def write_table(table: FilledTable, folder: Path, stem: str | None = None) -> list[Path]:
    """Writes the table as Markdown, LaTeX and CSV, under its own name or another; gives the files."""
    forms = {"md": markdown(table), "tex": latex(table), "csv": as_csv(table)}
    files = [folder / f"{stem or table.file_name}.{form}" for form in forms]
    for file, text in zip(files, forms.values()):
        write_whole(file, text.encode())
    return files


def grid(table: FilledTable) -> tuple[list[str], list[list[str]]]:
    """Headings and rows as text, the same in every form."""
    papers = [i for i in range(len(table.metrics)) if any(row.paper and row.paper[i] for row in table.rows)]
    compared = table.study and any(row.difference for row in table.rows)
    headings = [*table.headings, *(metric.heading for metric in table.metrics)]
    headings += [f"Δ{table.metrics[0].heading} [95 %]"] if compared else []
    whose = "paper" if table.study else "published"
    headings += ["n", *(f"{whose} {table.metrics[i].heading}" for i in papers)]
    return headings, [_line(table, row, compared, papers) for row in table.rows]


def oriented(table: FilledTable) -> tuple[list[str], list[list[str]]]:
    """The grid; one with more columns than fit a page, and few rows, with rows and columns exchanged."""
    headings, rows = grid(table)
    if not is_transposed(table):
        return headings, rows
    lead, figures = len(table.headings), len(table.metrics)
    for row, line in zip(table.rows, rows):
        if row.absent:  # a column has no width to write its one word across
            line[lead : lead + figures] = [_absent_text(row)] * figures
    transposed = list(zip(headings, *rows))
    return list(transposed[0]), [list(line) for line in transposed[1:]]


def is_transposed(table: FilledTable) -> bool:
    """Whether `oriented` exchanges rows and columns."""
    headings, rows = grid(table)
    return len(headings) > WIDE and len(rows) < len(headings) and len(table.headings) == 1


def _line(table: FilledTable, row: FilledRow, compared: bool, papers: list[int]) -> list[str]:
    lead = [row.lead[0] + row.marks, *row.lead[1:]]
    figures = [_figure_text(cell, metric) for cell, metric in zip(row.cells, table.metrics)]
    if row.absent:
        figures = [_absent_text(row), *([""] * (len(figures) - 1))]
    difference = ["base" if row.base else difference_text(row.difference)] if compared else []
    return [*lead, *figures, *difference, row.count, *(_paper_text(table, row, i) for i in papers)]


def _absent_text(row: FilledRow) -> str:
    return "no audio" if row.absent == "no audio" else "failed" if row.failed else "missing"


def _figure_text(cell: Cell, metric: Metric) -> str:
    decimals = 2 if metric.name not in _WHOLE else 0 if (cell.mean or 0) >= 10 else 1
    return cell_text(cell, decimals, constant=metric.name == "trainable_parameters")


def _paper_text(table: FilledTable, row: FilledRow, position: int) -> str:
    figure = row.paper[position] if row.paper else None
    if figure is None:
        return ""
    modality = figure.modality if figure.modality != row.lead[-1] else ""
    of = ", ".join(part for part in (figure.feature, modality) if part)
    return figure.text if table.study or not of else f"{figure.text} ({of})"


def difference_text(difference: Difference | None) -> str:
    """`+1.08 [+0.20, +1.95]` in points; with a mark where the interval is over seeds alone."""
    if difference is None:
        return ""
    if difference.low is None or difference.high is None:
        return f"{100 * difference.mean:+z.2f}"
    mark = f" {SEEDS_ONLY}" if difference.seeds_only else ""
    return f"{100 * difference.mean:+z.2f} [{100 * difference.low:+z.2f}, {100 * difference.high:+z.2f}]{mark}"


def markdown(table: FilledTable) -> str:
    """A table of GitHub's Markdown with its title and notes."""
    headings, rows = oriented(table)
    rule = ["---"] * len(table.headings) + ["---:"] * (len(headings) - len(table.headings))
    lines = [f"**{as_text(table.name)}**", "", _bar(headings), _bar(rule, raw=True), *map(_bar, rows), ""]
    return "\n".join([*lines, *(f"- {as_note(note)}" for note in table.all_notes)]) + "\n"


def _bar(cells: Iterable[str], raw: bool = False) -> str:
    return "| " + " | ".join(cell if raw else as_text(cell) for cell in cells) + " |"


def latex(table: FilledTable) -> str:
    """A `table` environment for booktabs; the notes in small print below."""
    headings, rows = oriented(table)
    columns = "l" * len(table.headings) + "r" * (len(headings) - len(table.headings))
    body = [_row(headings), r"\midrule", *map(_row, rows)]
    notes = [rf"\item {_latex_note(note)}" for note in table.all_notes]
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(table.name)}}}",
        rf"\label{{tab:{table.key}_{table.benchmark}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\footnotesize",
        r"\begin{itemize}",
        *notes,
        r"\end{itemize}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    """Text in which every character that LaTeX would read as a command is itself."""
    escaped = _LATEX_MARK.sub(lambda found: _LATEX[found[0]], text)
    # A hyphen before a number that stands alone is a minus, and wider.
    return _LATEX_MINUS.sub("$-$", escaped).replace("Δ", r"$\Delta$")


def _row(cells: Iterable[str]) -> str:
    # A bracket that opens a cell would be read as the option of the line break before it.
    return " & ".join("{}" + escape_latex(c) if c.startswith("[") else escape_latex(c) for c in cells) + r" \\"


def _latex_note(note: str) -> str:
    words = note.split("`")
    return "".join(rf"\texttt{{{escape_latex(w)}}}" if i % 2 else escape_latex(w) for i, w in enumerate(words))


def as_csv(table: FilledTable) -> str:
    """One line a row; figures with all their digits, in percent, an empty field for what is missing.

    A figure without n is published; the last field says where from.
    """
    headings = list(table.headings)
    for metric in table.metrics:
        words = ("deviation", "n", "paper", *(("low", "high") if _has_intervals(table) else ()))
        headings += [metric.heading, *(f"{metric.heading} {word}" for word in words)]
    headings += [
        "difference",
        "difference low",
        "difference high",
        "interval over",
        "missing",
        "failed",
        "marks",
        "published",
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(_csv_line(table, row) for row in table.rows)
    return text.getvalue()


def _has_intervals(table: FilledTable) -> bool:
    return any(cell.low is not None for row in table.rows for cell in row.cells)


def _csv_line(table: FilledTable, row: FilledRow) -> list[Any]:
    line: list[Any] = list(row.lead)
    for i, cell in enumerate(row.cells):
        paper = row.paper[i] if row.paper else None
        line += [cell.mean, cell.deviation, cell.n or None, paper.value if paper else None]
        line += [cell.low, cell.high] if _has_intervals(table) else []
    difference = (row.difference.mean, row.difference.low, row.difference.high) if row.difference else (None,) * 3
    line += [None if value is None else 100 * value for value in difference]
    failed = "; ".join(f"seed {seed}: {reason}" for seed, reason in row.failed)
    marks = [*row.quirks, *([f"select={row.select}"] if row.select != "last" and not row.elsewhere else [])]
    marks += ["reconstruction"] if row.reconstruction else []
    marks += [f"scores from elsewhere: {source}" for source in row.elsewhere]
    absent = None if row.failed else row.absent
    return [*line, _resampled(row.difference), absent, failed or None, "; ".join(marks) or None, _origins(table, row)]


def _origins(table: FilledTable, row: FilledRow) -> str | None:
    """Which figures of a row are published, and for each what it read and where it is from."""
    figures = [
        (metric.heading, cell.published or (row.paper[i] if row.paper else None))
        for i, (metric, cell) in enumerate(zip(table.metrics, row.cells))
    ]
    origins = [f"{heading}: {', '.join(figure.origin)}" for heading, figure in figures if figure]
    return "; ".join(origins) or None


def _resampled(difference: Difference | None) -> str | None:
    """What the interval was drawn over; None where there is none."""
    if difference is None or difference.low is None:
        return None
    return "seeds" if difference.seeds_only else "videos and seeds"


def terminal(table: FilledTable) -> Table:
    """The table for rich's console."""
    headings, rows = oriented(table)
    made = Table(title=Text(table.name), title_justify="left", min_width=len(table.name))
    for i, heading in enumerate(headings):
        made.add_column(Text(heading), justify="left" if i < len(table.headings) else "right", overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def print_table(table: FilledTable, console: Console) -> None:
    """Prints the table and its notes."""
    console.print(terminal(table))
    for note in table.all_notes:
        console.print(f"  - {note}", highlight=False, markup=False)
    console.print()
