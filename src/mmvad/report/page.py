"""`report.html`: all tables and figures in one file that asks nothing of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmvad.figures.pictures import Picture, marked_up, picture_html
from mmvad.report.render import WIDE, is_turned, oriented
from mmvad.system.disk import write_whole
from mmvad.tables.filled import FilledRow, FilledTable
from mmvad.tables.notes import OURS_NAME

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2128; --paper: #fff; --quiet: #59636e; --line: #d1d9e0;
  --band: rgb(129 139 152 / .08); --mark: #fff8c5; --link: #0550ae; --shade: #8c959f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --quiet: #9198a1; --line: #3d444d;
  --band: rgb(145 152 161 / .1); --mark: #3a2f0b; --link: #79b8ff; --shade: #6e7681; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem;
  margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
p.summary, .notes, figcaption { color: var(--quiet); font-size: .9rem; }
nav ul { columns: 2 22rem; padding-left: 1.2rem; margin: .3rem 0 1rem; } nav h4 { margin: .6rem 0 0; }
/* a shade at the edge behind which there is more */
.scroll { overflow-x: auto; background: linear-gradient(to right, var(--paper) 40%, transparent) 0 0,
  linear-gradient(to left, var(--paper) 40%, transparent) 100% 0,
  linear-gradient(to right, var(--shade), transparent) 0 0, linear-gradient(to left, var(--shade), transparent) 100% 0;
  background-repeat: no-repeat; background-size: 3rem 100%, 3rem 100%, 1rem 100%, 1rem 100%;
  background-attachment: local, local, scroll, scroll; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; }
thead th { border-bottom: 2px solid var(--line); border-top: 2px solid var(--line); }
tbody tr:last-child td { border-bottom: 2px solid var(--line); }
tbody tr:nth-child(even) { background: var(--band); } th.lead, td.lead { text-align: left; }
tr.base, tr.base td { font-weight: 600; } tr.ours td { background: var(--mark); }
table.wide { font-size: .78rem; } table.wide thead th { white-space: normal; }
table.wide th, table.wide td { padding: .3rem .4rem; }
tr.absent td { color: var(--quiet); } td.wide { text-align: left; }
code { font: .92em ui-monospace, monospace; background: var(--band); padding: .1em .3em; border-radius: 4px; }
.notes { margin: .5rem 0 0; padding-left: 1.1rem; overflow-wrap: anywhere; }
figure { margin: .5rem 0; } figure img { max-width: 100%; background: #fff; border: 1px solid var(--line);
  border-radius: 6px; padding: 4px; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } nav { display: none; }
  table, figure { break-inside: avoid; } h2, h3 { break-after: avoid; } .scroll { overflow: visible; background: none; }
  table.wide { font-size: 6.5pt; } table.wide th, table.wide td { padding: .2rem .2rem; } }
"""


@dataclass(frozen=True)
class Section:
    """One benchmark's tables and figures."""

    title: str
    tables: Sequence[FilledTable]
    pictures: Sequence[Picture]


def write_page(file: Path, summary: Sequence[str], sections: Sequence[Section]) -> None:
    """Writes the page; `summary` are the lines below its title."""
    body = [_contents(sections), *(_section(i, section) for i, section in enumerate(sections))]
    lines = "<br>".join(marked_up(line) for line in summary)
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # An icon of its own, or the browser asks the network for one.
        '<link rel="icon" href="data:,">\n'
        f"<title>mmvad: results</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>Results</h1>\n<p class="summary">{lines}</p>\n{"".join(body)}</body>\n</html>\n'
    )
    write_whole(file, page.encode())


def _contents(sections: Sequence[Section]) -> str:
    parts = []
    for i, section in enumerate(sections):
        titles = [table.name for table in section.tables] + [picture.title for picture in section.pictures]
        shorts = [title.removesuffix(f" ({section.title})") for title in titles]
        links = "".join(f'<li><a href="#s{i}-{j}">{marked_up(title)}</a></li>' for j, title in enumerate(shorts))
        parts.append(f"<h4>{marked_up(section.title)}</h4>\n<ul>{links}</ul>\n")
    return f'<nav aria-label="contents">{"".join(parts)}</nav>\n'


def _section(place: int, section: Section) -> str:
    parts = [_table(f"s{place}-{j}", table) for j, table in enumerate(section.tables)]
    start = len(parts)
    parts += [_picture(f"s{place}-{start + j}", picture) for j, picture in enumerate(section.pictures)]
    return f"<section>\n<h2>{marked_up(section.title)}</h2>\n{''.join(parts)}</section>\n"


def _table(anchor: str, table: FilledTable) -> str:
    headings, lines = oriented(table)
    turned = is_turned(table)
    lead = len(table.headings)
    head = "".join(_cell("th", text, lead=i < lead) for i, text in enumerate(headings))
    owners: Sequence[FilledRow | None] = [None] * len(lines) if turned else table.rows
    rows = "".join(_row(row, line, lead) for row, line in zip(owners, lines))
    # Rows that lie across say themselves which command makes them.
    shown = [note for note in table.said if turned or not note.startswith("missing:")]
    notes = "".join(f"<li>{marked_up(note)}</li>" for note in shown)
    wide = ' class="wide"' if len(headings) > WIDE else ""
    region = f'class="scroll" tabindex="0" role="region" aria-labelledby="{anchor}"'
    return (
        f'<h3 id="{anchor}">{marked_up(table.name)}</h3>\n'
        f"<div {region}><table{wide}>\n<thead><tr>{head}</tr></thead>\n"
        f'<tbody>\n{rows}</tbody>\n</table></div>\n<ul class="notes">{notes}</ul>\n'
    )


def _row(row: FilledRow | None, line: list[str], lead: int) -> str:
    """A row; one that is missing says across its figures which command makes it."""
    kind = _kind(row)
    cells = [_cell("td", text, lead=i < lead) for i, text in enumerate(line)]
    if row and row.absent:
        figures = len(row.cells)
        says = row.absent if row.absent == "no audio" else f"missing: `{row.absent}`"
        cells[lead : lead + figures] = [f'<td class="wide" colspan="{figures}">{marked_up(says)}</td>']
    return f'<tr class="{kind}">{"".join(cells)}</tr>\n' if kind else f"<tr>{''.join(cells)}</tr>\n"


def _kind(row: FilledRow | None) -> str:
    if row is None:
        return ""
    return "absent" if row.absent else "base" if row.base else "ours" if row.lead[0] == OURS_NAME else ""


def _cell(tag: str, text: str, *, lead: bool) -> str:
    attribute = ' class="lead"' if lead else ""
    return f"<{tag}{attribute}>{marked_up(text)}</{tag}>"


def _picture(anchor: str, picture: Picture) -> str:
    return f'<h3 id="{anchor}">{marked_up(picture.title)}</h3>\n{picture_html(picture)}'
