"""`mmvad audit RUN`: what each habit of the field is worth on one finished run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_run_audit_parser(subparsers: Any) -> None:
    """Adds `audit` to what `ArgumentParser.add_subparsers` gave; it sets `run(options) -> exit code`."""
    parser = subparsers.add_parser(
        "audit",
        help="what each habit of the field is worth on one finished run",
        description="Takes up one habit after the other, from the last epoch to a foreign ground truth, and says what "
        "each adds to the run's headline figure, with its interval. A run of --runtime.audit=on has all that it needs; "
        "of another run some steps are missing, and said to be. (`mmvad data audit` looks at a ground truth alone.)",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument(
        "--truth", type=Path, metavar="GT", help="another frame ground truth, as `mmvad data audit` reads"
    )
    parser.add_argument(
        "--bank", type=Path, action="append", default=[], metavar="DIR", help="where the bank lies now; may be repeated"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the files go (default: audit/ in the run's folder)"
    )
    parser.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (default: %(default)s)"
    )
    parser.set_defaults(run=run_run_audit)


def run_run_audit(options: argparse.Namespace) -> int:
    """Audits, prints the table and names the files."""
    from rich.table import Table

    from mmvad.errors import UserError
    from mmvad.report.audit import step_row, summary, write_audit
    from mmvad.system.terminal import Terminal

    if options.resamples < 0:
        raise UserError("--resamples", f"{options.resamples} is negative", expected="0, or some hundred and more")
    found, title, files = write_audit(options.folder, options.bank, options.truth, options.resamples, options.out)
    console = Terminal()
    table = Table("step", found.metric.upper(), "gain [95 %]", "", title=title, title_justify="left")
    for step in found.steps:
        table.add_row(*step_row(step))
    console.print(table)
    for line in (summary(found), *(f"  {file}" for file in files)):
        console.print(line, highlight=False, soft_wrap=True)
    return 0
