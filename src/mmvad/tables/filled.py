"""A table with its figures, before it is written in any form."""

from __future__ import annotations

from dataclasses import dataclass

from mmvad.benchmarks.registry import known_benchmark
from mmvad.metrics.bootstrap import Difference
from mmvad.tables.definitions import Metric
from mmvad.tables.published import Published

SELECTED_ON_TEST = "†"
"""Marks rows whose checkpoint was chosen on the test set."""
SEEDS_ONLY = "‖"
"""Marks intervals that know nothing of the test videos."""


RECONSTRUCTED = "‡"
"""Marks methods of which parts are inferred."""
QUIRKY = "§"
"""Marks rows that used a published quirk, or another reading of their method."""
ELSEWHERE = "¶"
"""Marks rows whose scores another program wrote."""

UNITS = "figures in percent unless a heading says otherwise; mean ± sample standard deviation over n seeds"
"""The first note of every table."""


@dataclass(frozen=True)
class Cell:
    """One figure of one row: in percent (parameters in millions, FPS as they are), or none with the reason.

    Attributes:
        deviation: standard deviation over seeds (n - 1); None for a single run.
        published: where the figure is not ours.
        low, high: its interval over test videos and seeds, where every figure has one.
        unbounded: why it has none, where one was asked for.
    """

    mean: float | None = None
    deviation: float | None = None
    n: int = 0
    reason: str | None = None
    published: Published | None = None
    low: float | None = None
    high: float | None = None
    unbounded: str | None = None


def cell_text(cell: Cell, decimals: int = 2, *, constant: bool = False) -> str:
    """`82.50 ± 0.31`, `82.50` for a single run, a dash where there is none; then its interval, where it has one."""
    if cell.published:
        return cell.published.text
    if cell.mean is None:
        return "-"
    spread = f" ± {cell.deviation:.{decimals}f}" if cell.deviation is not None and not constant else ""
    interval = "" if cell.low is None else f" [{cell.low:.{decimals}f}, {cell.high:.{decimals}f}]"
    return f"{cell.mean:.{decimals}f}{spread}{interval}"


@dataclass(frozen=True)
class FilledRow:
    """One row.

    Attributes:
        lead: what stands before the figures: the row's name, or method, features and modality.
        paper: the paper's own figure for each metric, where it is known.
        difference: to the base row, in the headline metric, as a fraction.
        absent: `no audio`, or the command that makes the row; None where there are figures.
        seeds: of its runs, a seed once a fold.
        folds: of a benchmark in several splits those that its runs are of.
        failed: seeds whose run failed, with the reason.
        select: how the checkpoints of the runs were chosen.
        reconstruction: parts of the method are inferred.
        quirks: published quirks and switches of the method that the runs used.
        elsewhere: where its scores came from, if another program wrote them; empty for what was run here.
    """

    lead: tuple[str, ...]
    cells: tuple[Cell, ...]
    paper: tuple[Published | None, ...] = ()
    difference: Difference | None = None
    seeds: tuple[int, ...] = ()
    base: bool = False
    ours: bool = True
    select: str = "last"
    absent: str | None = None
    failed: tuple[tuple[int, str], ...] = ()
    reconstruction: bool = False
    quirks: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()

    @property
    def selected_on_test(self) -> bool:
        """Whether the checkpoint was chosen on the test set."""
        return self.select == "best_test"

    @property
    def marks(self) -> str:
        """The marks behind the row's name."""
        marks = (
            (self.selected_on_test, SELECTED_ON_TEST),
            (self.reconstruction, RECONSTRUCTED),
            (bool(self.quirks), QUIRKY),
            (bool(self.elsewhere), ELSEWHERE),
        )
        return "".join(f" {mark}" for given, mark in marks if given)

    @property
    def count(self) -> str:
        """n, and how many seeds more failed: `2 (1 failed)`."""
        failed = f"({len(self.failed)} failed)" if self.failed else ""
        return " ".join(part for part in (str(len(self.seeds) or ""), failed) if part)


@dataclass(frozen=True)
class FilledTable:
    """A table, ready to be written in any form."""

    key: str
    title: str
    benchmark: str
    headings: tuple[str, ...]
    metrics: tuple[Metric, ...]
    rows: tuple[FilledRow, ...]
    notes: tuple[str, ...]
    study: bool

    @property
    def filled(self) -> int:
        """How many rows of ours have figures."""
        return sum(row.ours and row.absent is None for row in self.rows)

    @property
    def all_notes(self) -> tuple[str, ...]:
        """All that stands below the table: what its figures are, then its notes."""
        return (UNITS, *self.notes)

    @property
    def name(self) -> str:
        number = self.key if self.key[0] in "IVX" else ""
        kind = f"Table {number}" if number else "Fig. 5 as a table" if self.key == "Fig5" else "Table"
        return f"{kind}. {self.title} ({known_benchmark(self.benchmark).title})"

    @property
    def file_name(self) -> str:
        return f"table_{self.key}_{self.benchmark}"
