"""The whole report: collects runs, fills tables, draws figures, writes and names the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.errors import UserError
from mmvad.figures.pictures import Picture
from mmvad.metrics.bootstrap import RESAMPLES
from mmvad.report.curves import context_prompt_figure, qualitative_figure
from mmvad.report.page import Section, write_page
from mmvad.report.plots import lambda_figure, prompt_figure
from mmvad.report.ranks import rank_figure
from mmvad.report.render import markdown, print_table, write_table
from mmvad.runs import RunFolder
from mmvad.system.disk import disk_errors
from mmvad.system.progress import progress_bar
from mmvad.system.terminal import Terminal
from mmvad.tables.definitions import Comparison, Study
from mmvad.tables.fill import fill
from mmvad.tables.filled import FilledTable
from mmvad.tables.frame import Collected, collect, write_frame
from mmvad.tables.resampling import Resampler
from mmvad.tables.results import Results
from mmvad.tables.scored import Truths, require_banks
from mmvad.tables.studies import check_names, study_named, tables_named
from mmvad.tables.transfer import KEY as TRANSFER
from mmvad.tables.transfer import transfer_table

PICTURES = ("Fig5", "X", "Fig6", "Fig7", "ranks")


def write_report(
    results: Sequence[Path],
    out: Path,
    *,
    benchmark: str | None = None,
    tables: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    banks: Sequence[Path] = (),
    videos: Sequence[str] = (),
    overrides: Sequence[str] = (),
    intervals: bool = False,
) -> list[Path]:
    """Writes frame, tables, figures and page to `out`, prints the tables; gives the files.

    Args:
        tables: the names of tables or sweeps (default: every table).
        overrides: `key=value` for every cell of the sweeps, as their runs were given them.
        intervals: behind every figure, not only differences.

    Raises UserError for unknown tables or benchmarks, a bank that is not there, and where no finished run is found.
    """
    require_banks(banks)
    check_names(tables)
    truths = Truths(banks)
    found = collect(results, truths)
    chosen = benchmark_named(benchmark).name if benchmark else None  # which runs may have made known
    runs = Results(found.frame, found.unfinished_configs)
    if chosen and chosen not in runs.benchmarks:
        raise _no_runs(chosen, runs.benchmarks)
    with disk_errors(out):
        (out / "tables").mkdir(parents=True, exist_ok=True)
    resampler = Resampler(truths, resamples, every_cell=intervals)
    sections = [
        _section(
            name, tables_named(tables, name, overrides), runs, resampler, out, videos, overrides, transfers=not tables
        )
        for name in ([chosen] if chosen else runs.benchmarks)
    ]
    files = _write(out, found, sections)
    _say(sections, found, files, asked=bool(tables))
    return files


def _section(
    benchmark: str,
    wanted: Sequence[Comparison | Study],
    runs: Results,
    resampler: Resampler,
    out: Path,
    videos: Sequence[str],
    overrides: Sequence[str],
    *,
    transfers: bool,
) -> Section:
    title = benchmark_named(benchmark).title
    with progress_bar(f"{title}: tables and figures", len(wanted) + len(PICTURES)) as advance:
        filled = []
        for table in wanted:
            filled.append(fill(table, runs, resampler))
            advance(1)
        crossed = transfer_table(runs, benchmark, intervals=resampler.every_cell) if transfers else None
        filled += [crossed] if crossed else []
        pictures = _pictures(benchmark, runs, resampler, out / "figures", videos, overrides)
        advance(len(PICTURES))
    return Section(title, filled, pictures)


def _pictures(
    benchmark: str,
    runs: Results,
    resampler: Resampler,
    folder: Path,
    videos: Sequence[str],
    overrides: Sequence[str],
) -> list[Picture]:
    prompts = fill(study_named("Fig5", benchmark, overrides), runs, Resampler(Truths(), 0))
    return [
        prompt_figure(folder, prompts),
        context_prompt_figure(folder, benchmark, runs, resampler.truths, videos, overrides),
        qualitative_figure(folder, benchmark, runs, resampler.truths, videos, overrides),
        lambda_figure(folder, benchmark, runs, overrides),
        rank_figure(folder, benchmark, runs, overrides),
    ]


def _write(out: Path, found: Collected, sections: Sequence[Section]) -> list[Path]:
    """All files, the page first."""
    page, text = out / "report.html", out / "tables.md"
    tables = [table for section in sections for table in section.tables]
    with disk_errors(out):
        data = write_frame(found.frame, out)
        write_page(page, _summary(found), sections, _cards(found))
        text.write_text("\n".join(markdown(table) for table in tables), encoding="utf-8")
        written = [file for table in tables for file in write_table(table, out / "tables")]
    figures = [file for section in sections for picture in section.pictures for file in picture.files]
    return [page, text, *data, *written, *figures]


def _cards(found: Collected) -> list[Path]:
    """The cards of the runs, as far as they have one."""
    paths = dict.fromkeys(found.frame["path"])
    return [card for path in paths if (card := RunFolder(Path(str(path))).card).is_file()]


def _summary(found: Collected) -> list[str]:
    """How many runs there are, and what was left out."""
    noun = "run" if found.runs == 1 else "runs"
    lines = [f"{found.runs} finished {noun} of {', '.join(sorted(found.frame['benchmark'].unique()))}"]
    if found.unfinished:
        lines.append(f"{len(found.unfinished)} unfinished run folders left out, e.g. {found.unfinished[0]}")
    if found.broken:
        path, reason = found.broken[0]
        lines.append(f"{len(found.broken)} broken run folders left out, e.g. {path}: {reason}")
    if found.copies:
        lines.append(f"{len(found.copies)} copies of the same runs left out, e.g. {found.copies[0]}")
    return lines


def _say(sections: Sequence[Section], found: Collected, files: Sequence[Path], *, asked: bool) -> None:
    console = Terminal(width=140)
    for section in sections:
        for table in _shown(section.tables, asked):
            print_table(table, console)
        for picture in section.pictures:
            if picture.missing and not asked:
                console.print(f"{picture.title}: not drawn: {picture.missing}", highlight=False)
    for line in _summary(found):
        console.print(line, highlight=False, soft_wrap=True)
    for file in (file for file in files if file.parent.name != "tables"):
        console.print(f"  {file}", highlight=False, soft_wrap=True)
    console.print(
        f"  {files[0].parent / 'tables'}/  every table as Markdown, LaTeX and CSV", highlight=False, soft_wrap=True
    )


def _shown(tables: Sequence[FilledTable], asked: bool) -> list[FilledTable]:
    """The tables to print: those asked for by name that have figures, else those with something to compare.

    Where none that was asked for has any, all are printed: they say which command makes their rows.

    Every study shares the base row, so a lone base run would print them all: without a second row anywhere it is the
    first table. All of them are written.
    """
    filled = [table for table in tables if table.filled]
    compared = [table for table in filled if table.filled > 1 or table.key == TRANSFER]
    return filled or list(tables) if asked else compared or filled[:1]


def _no_runs(benchmark: str, there: Sequence[str]) -> UserError:
    return UserError(
        "--benchmark",
        f"no finished run of {benchmark}",
        expected=f"one of {', '.join(there)}",
        fix=f"`mmvad sweep run modalities --benchmark {benchmark}`",
    )
