"""Every form of a table: percent with two decimals, marks, escapes."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mmvad.metrics.bootstrap import Difference
from mmvad.report.page import Section, write_page
from mmvad.report.render import (
    as_csv,
    difference_text,
    escape_latex,
    grid,
    latex,
    markdown,
    oriented,
    print_table,
    terminal,
    write_table,
)
from mmvad.tables.definitions import Metric
from mmvad.tables.filled import Cell, FilledRow, FilledTable
from mmvad.tables.published import find_published

AP, MAP = Metric("combined", "ap", "AP"), Metric("events", "map_avg", "mAP avg")
PAPER = find_published("Multimodal VAD", "xd_violence", "ap")


@pytest.fixture
def table() -> FilledTable:
    rows = (
        FilledRow(
            ("pre_post & 50%",), (Cell(82.504, 0.312, 3), Cell(20.0, 1.0, 3)), (PAPER, None), None, (0, 1, 2), True
        ),
        FilledRow(
            ("none",),
            (Cell(81.0, None, 1), Cell(reason="untrained")),
            (),
            Difference(-0.01504, -0.02, 0.001, 1),
            (0,),
            select="best_test",
        ),
        FilledRow(("[x]",), (Cell(), Cell()), absent="make ablation-acp BENCHMARK=planted"),
    )
    notes = ("run `make x_y`", "a | b * c")
    return FilledTable("VIII", "A_title", "planted", ("row",), (AP, MAP), rows, notes, True)


def test_grid(table: FilledTable) -> None:
    headings, rows = grid(table)
    assert headings == ["row", "AP", "mAP avg", "ΔAP [95 %]", "n", "paper AP"]
    assert rows[0] == ["pre_post & 50%", "82.50 ± 0.31", "20.00 ± 1.00", "base", "3", "86.32*"]
    assert rows[1] == ["none †", "81.00", "-", "-1.50 [-2.00, +0.10]", "1", ""]
    assert rows[2][:3] == ["[x]", "missing", ""]


def test_markdown_has_one_bar_a_column(table: FilledTable) -> None:
    lines = markdown(table).splitlines()
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")} == {7}
    assert r"86.32\*" in lines[4]
    assert r"- a \| b \* c" in lines


def test_every_form_says_what_the_figures_are(table: FilledTable, tmp_path: Path) -> None:
    said = "figures in percent unless a heading says otherwise; mean {} sample standard deviation over n seeds"
    console = Console(record=True, width=200)
    print_table(table, console)
    write_page(tmp_path / "page.html", [], [Section("Planted", [table], [])])
    for text in (markdown(table), console.export_text(), (tmp_path / "page.html").read_text(encoding="utf-8")):
        assert text.count(said.format("±")) == 1
    assert latex(table).count(r"\item " + said.format(r"$\pm$")) == 1


def test_what_rounds_to_nothing_has_no_minus() -> None:
    assert difference_text(Difference(-0.00001, -0.00002, 0.00001, 1)) == "+0.00 [+0.00, +0.00]"
    assert difference_text(Difference(-0.00001)) == "+0.00"


def test_latex_escapes_and_balances(table: FilledTable) -> None:
    text = latex(table)
    assert r"pre\_post \& 50\%" in text
    assert r"$\pm$" in text
    assert r"none $\dagger$" in text
    assert r"\texttt{make x\_y}" in text
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1
    assert "\n{}[x] &" in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines()[1:] if line} == {5}
    assert text.isascii() or not re.search(r"[^\x00-\x7f]", text)


@pytest.mark.parametrize("mark", list("\\~^&%$#_{}<>"))
def test_every_mark_of_latex_is_escaped(mark: str) -> None:
    assert escape_latex(f"a{mark}b") != f"a{mark}b"
    assert escape_latex(f"a{mark}b").startswith("a\\")


def test_latex_has_minus_signs_and_a_label(table: FilledTable) -> None:
    text = latex(table)
    assert "$-$1.50 [$-$2.00, +0.10]" in text
    assert r"\label{tab:VIII_planted}" in text
    assert escape_latex("2e-4, xd-3, -5 and (-1)") == "2e-4, xd-3, $-$5 and ($-$1)"


def test_csv_has_all_digits(table: FilledTable) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(table))))
    assert rows[0]["AP"] == "82.504"
    assert rows[0]["AP paper"] == "86.32"
    assert float(rows[1]["difference low"]) == pytest.approx(-2)
    assert rows[2]["missing"] == "make ablation-acp BENCHMARK=planted"
    assert rows[2]["AP"] == ""


def test_terminal_shows_every_row(table: FilledTable) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(terminal(table))
    text = console.export_text()
    assert "82.50 ± 0.31" in text
    assert "[x]" in text


def test_wide_tables_of_few_rows_are_turned() -> None:
    metrics = tuple(Metric("events", f"m{i}", f"M{i}") for i in range(12))
    row = FilledRow(("only",), tuple(Cell(float(i), 0.0, 2) for i in range(12)), seeds=(0, 1))
    made = terminal(FilledTable("VIII", "Wide", "planted", ("row",), metrics, (row,), (), True))
    assert len(made.columns) == 2
    assert made.row_count == 13


def test_a_missing_row_that_is_turned_says_so_in_every_line() -> None:
    metrics = tuple(Metric("events", f"m{i}", f"M{i}") for i in range(12))
    there = FilledRow(("there",), tuple(Cell(float(i), 0.0, 2) for i in range(12)), seeds=(0, 1))
    absent = FilledRow(("absent",), (Cell(),) * 12, absent="make it")
    made = FilledTable("VIII", "Wide", "planted", ("row",), metrics, (there, absent), (), True)
    assert [line[-1] for line in oriented(made)[1]] == ["missing"] * 12 + [""]
    assert grid(made)[1][1][1:] == ["missing", *[""] * 12], "a line says it once"


def test_csv_has_the_marks(table: FilledTable) -> None:
    marked = FilledRow(("x",), (Cell(), Cell()), select="best_test", reconstruction=True, quirks=("smoothing=next_7",))
    rows = list(csv.DictReader(io.StringIO(as_csv(replace(table, rows=(table.rows[0], marked))))))
    assert [row["marks"] for row in rows] == ["", "smoothing=next_7; select=best_test; reconstruction"]


def test_files(table: FilledTable, tmp_path: Path) -> None:
    assert [file.suffix for file in write_table(table, tmp_path)] == [".md", ".tex", ".csv"]


def test_difference_without_interval() -> None:
    assert difference_text(Difference(0.0108, reason="no bank")) == "+1.08"
    assert difference_text(None) == ""


def test_the_page_links_the_cards_of_its_runs(tmp_path: Path) -> None:
    page = tmp_path / "report" / "report.html"
    page.parent.mkdir()
    write_page(page, ["two runs"], [], [tmp_path / "runs" / "a & b" / "card.md"])
    assert '<a href="../runs/a &amp; b/card.md">a &amp; b</a>' in page.read_text()
    write_page(page, ["none has one"], [])
    assert "with a card" not in page.read_text()
