"""`mmvad demo-video`: renders clips, extracts, trains, predicts, and says where the page is. Nothing is downloaded."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_demo_parser(subparsers: Any) -> None:
    """Adds `demo-video` to what `ArgumentParser.add_subparsers` gave; it sets `run(options) -> exit code`."""
    parser = subparsers.add_parser(
        "demo-video",
        help="from rendered clips to a page: extract, train, predict; no download",
        description="Renders 24 short clips with picture and sound, extracts them with random networks, trains on 16 "
        "of them and predicts the 8 others. The same command again goes on where it was.",
        allow_abbrev=False,
    )
    parser.add_argument("--out", type=Path, default=Path("demo-video"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the clips and of the training (%(default)s)")
    parser.set_defaults(run=run_demo)


def run_demo(options: argparse.Namespace) -> int:
    """Runs the demo. Raises UserError for a seed that is none."""
    from mmvad.cli.extract import require_packages
    from mmvad.errors import UserError

    require_packages()
    if not 0 <= options.seed < 2**32:  # as a configuration has it
        raise UserError("--seed", f"{options.seed} is no seed", expected=f"0, 1, 2, ... to {2**32 - 1}")
    from mmvad.demo.tour import tour

    tour(options.out / f"seed-{options.seed}", options.seed)
    return 0
