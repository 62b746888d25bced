"""`mmvad bench`: its options. For developers: it runs from a checkout."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

PARTS = (
    "steps",
    "savings",
    "text",
    "objectives",
    "test",
    "metrics",
    "import",
    "gather",
    "startup",
    "growth",
    "gpu",
    "tables",
)


def add_bench_parser(verbs: Any) -> None:
    """Adds `bench` to the verbs."""
    parser = verbs.add_parser(
        "bench",
        help="time every part beside its plain form (from a checkout)",
        description="Times training steps, text encoding, objectives, test pass, metrics, import, gathers and start-up "
        "beside their plain forms, and how time and memory grow; on a GPU, steps at the benchmarks' settings and how "
        "long all tables would take. Prints a table; keeps JSON beside it.",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: a check that it runs, no figures to quote")
    parser.add_argument("--only", type=_parts, default=PARTS, metavar="PART,..", help=", ".join(PARTS))
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of torch (default: its own choice)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="ours and plain in turns (default: 3)")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder of the results (default: %(default)s)")
    parser.set_defaults(run=_run)


def _parts(text: str) -> tuple[str, ...]:
    wrong = [part for part in text.split(",") if part not in PARTS]
    if wrong:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r}: expected some of {', '.join(PARTS)}")
    return tuple(part for part in PARTS if part in text.split(","))


def _run(options: argparse.Namespace) -> int:
    from mmvad.bench.run import run_bench

    run_bench(options.only, options.out, quick=options.quick, threads=options.threads, repeats=options.repeats)
    return 0
