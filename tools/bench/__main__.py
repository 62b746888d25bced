"""`python -m tools.bench`, from the root of a checkout; `--quick --only objectives` checks in seconds that it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmvad.errors import UserError
from tools.bench.peers import METHODS
from tools.bench.run import PARTS, run_bench


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what the command line asks for; gives the exit code."""
    options = build_parser().parse_args(arguments)
    try:
        run_bench(
            options.only,
            options.out,
            quick=options.quick,
            threads=options.threads,
            repeats=options.repeats,
            public=options.public,
            methods=options.methods,
            videos=options.videos,
        )
    except UserError as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 2
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of all options."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Times training steps, text encoding, objectives, test pass, metrics, import, gathers and start-up "
        "beside their plain forms, steps of peers beside public code, and how time and memory grow; on a GPU, steps at "
        "the benchmarks' settings. Prints a table; keeps JSON beside it.",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: a check that it runs, no figures to quote")
    parser.add_argument("--only", type=_parts, default=PARTS, metavar="PART,..", help=", ".join(PARTS))
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of torch (default: its own choice)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="ours and plain in turns (default: 3)")
    parser.add_argument(
        "--public",
        type=_folder,
        metavar="DIR",
        help="checkouts of public code (DIR/VadCLIP, DIR/RTFM, ..) beside peers",
    )
    parser.add_argument("--methods", type=_methods, default=(), metavar="NAME,..", help=f"peers: {', '.join(METHODS)}")
    parser.add_argument("--videos", type=int, default=0, metavar="N", help="peers: of a step (default: as published)")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder of the results (default: %(default)s)")
    return parser


def _some(text: str, known: Sequence[str]) -> tuple[str, ...]:
    wrong = [part for part in text.split(",") if part not in known]
    if wrong:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r}: expected some of {', '.join(known)}")
    return tuple(part for part in known if part in text.split(","))


def _parts(text: str) -> tuple[str, ...]:
    return _some(text, PARTS)


def _methods(text: str) -> tuple[str, ...]:
    return _some(text, METHODS)


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such folder; expected one with checkouts, such as {text}/VadCLIP")
    return Path(text).resolve()


if __name__ == "__main__":
    sys.exit(main())
