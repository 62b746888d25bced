"""`mmvad data audit GT`: a frame truth from elsewhere held against a benchmark's annotations."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mmvad.cli.evaluate import add_truth_options, truth_of

EXIT_DIFFERS = 1


def add_audit_parser(verbs: Any) -> None:
    """Adds `audit` to the verbs of `mmvad data`; it sets `run(options) -> exit code`."""
    parser = verbs.add_parser(
        "audit",
        help="hold a frame array of another program against the annotations",
        description="Says how a frame ground truth from elsewhere comes to its length, whose it may be, and where it "
        "differs from the annotations, video by video. GT is a .npy of all test videos end to end, a folder of .npy "
        "files, or an .npz (one array a video, or names, frames and one array). Exit code 0: equal; 1: it differs.",
        allow_abbrev=False,
    )
    parser.add_argument("array", type=Path, metavar="GT", help="0 or 1 a frame: float, int or bool")
    add_truth_options(parser)
    parser.add_argument("--out", type=Path, metavar="CSV", help="write a table with a line for every video")
    parser.set_defaults(run=run_audit)


def run_audit(options: argparse.Namespace) -> int:
    """Audits and prints; 0 where the array equals the annotations, 1 where it does not."""
    from mmvad.evaluation.audit import audit
    from mmvad.evaluation.audit_text import audit_lines, write_audit

    truth = truth_of(options)
    found = audit(options.array, truth)
    print(f"{options.array}")
    for line in audit_lines(found, truth):
        print(f"  {line}")
    if options.out:
        write_audit(found, options.out)
        print(f"  {options.out}")
    return 0 if found.equal else EXIT_DIFFERS
