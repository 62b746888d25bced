"""`mmvad report`: run folders in, tables, figures and one page out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_RESAMPLES = 1000


def add_report_parser(subparsers: Any) -> None:
    """Adds `report` to what `ArgumentParser.add_subparsers` gave; it sets `run(options) -> exit code`."""
    parser = subparsers.add_parser(
        "report",
        help="tables, figures and one page from finished runs",
        description="Reads finished runs and writes the paper's tables and figures as far as they go, with the "
        "published figures beside ours and the command for every row that is missing.",
        allow_abbrev=False,
    )
    parser.add_argument("results", type=Path, nargs="*", metavar="RESULTS", help="results folders (default: runs)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: report in the first of RESULTS")
    parser.add_argument("--benchmark", metavar="B", help="this benchmark alone (default: all that have runs)")
    parser.add_argument(
        "--tables",
        type=lambda text: text.split(","),
        metavar="VI,VII",
        help="tables, or sweeps and sweep files, whose table it is (default: all tables)",
    )
    parser.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="what the sweeps were run with: tables are of those runs",
    )
    parser.add_argument(
        "--resamples", type=_count, default=_RESAMPLES, metavar="N", help="of the bootstrap (default: %(default)s)"
    )
    parser.add_argument("--intervals", action="store_true", help="behind every figure its 95 %% interval")
    parser.add_argument(
        "--bank",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="where a bank lies now, for intervals and curves of runs that were made elsewhere; may be repeated",
    )
    parser.add_argument(
        "--videos", type=lambda text: text.split(","), default=[], metavar="A,B", help="test videos of Figs. 6 and 7"
    )
    parser.set_defaults(run=run_report)


def add_curves_parser(subparsers: Any) -> None:
    """Adds `curves` likewise."""
    parser = subparsers.add_parser(
        "curves",
        help="score curves of a run, or of two over one another, on named test videos",
        description="Draws the combined score of two runs over the ground truth (Fig. 6), or all scores of one (Fig. "
        "7), from what the run folders keep; with frames where the videos are at hand.",
        allow_abbrev=False,
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="one run folder, or two to compare")
    parser.add_argument(
        "--videos", nargs="+", default=[], metavar="NAME", help="test videos, by name or the start of it"
    )
    parser.add_argument("--media", type=Path, metavar="DIR", help="where the videos themselves lie")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("curves"),
        metavar="FILE",
        help="FILE.png and FILE.svg (curves); FILE alone if it ends otherwise, such as in .pdf",
    )
    parser.add_argument(
        "--bank", type=Path, action="append", default=[], metavar="DIR", help="where the bank lies now; may be repeated"
    )
    parser.set_defaults(run=run_curves)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 up")
    return int(text)


def run_report(options: argparse.Namespace) -> int:
    """Writes and prints the report. Raises UserError where there is nothing to report."""
    from mmvad.cli.sweep import checked_assignments
    from mmvad.report.writing import write_report

    results = options.results or [Path("runs")]
    write_report(
        results,
        options.out or results[0] / "report",
        benchmark=options.benchmark,
        tables=options.tables,
        resamples=options.resamples,
        banks=options.bank,
        videos=options.videos,
        overrides=checked_assignments(options.set),
        intervals=options.intervals,
    )
    return 0


def run_curves(options: argparse.Namespace) -> int:
    """Draws and names the files."""
    from mmvad.errors import UserError
    from mmvad.report.compared import draw_curves

    if len(options.runs) > 2:
        raise UserError("command line", f"{len(options.runs)} runs", expected="one run, or two to compare")
    files = draw_curves(options.runs, options.videos, options.out, media=options.media, banks=options.bank)
    print("\n".join(map(str, files)))
    return 0
