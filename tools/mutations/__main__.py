"""python -m tools.mutations --seed 0 --count 10000 [--minutes 30] [--processes 2] [--only release,lists]

Seeded changes to release files, lists, annotations, sweep files, configurations and arrays of every form, each tried at
the command line. Prints how many ended how; exit code 1 where one ended as none may: a traceback, a command without an
end, a half-written bank, or "nothing is wrong" before a refused import. Videos: python -m tools.mutations.videos.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tools.mutations.cases import CASES, prepare, small_splits

Found = tuple[str, int, str]
"""Kind, seed, outcome."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries what the command line asks for; 1 where one ended as none may."""
    options = _options(arguments)
    jobs = _jobs(options.seed, options.count, options.only)
    until = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="mmvad-mutations-") as folder:
        whole = Path(folder, "whole")
        whole.mkdir()
        prepare(whole)
        found = _all(jobs, Path(folder), options.processes, until)
    _print(found, len(jobs))
    return int(any(outcome.startswith("wrong") for _, _, outcome in found))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.mutations", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--seed", type=int, default=0, help="of the first mutation (default: %(default)s)")
    parser.add_argument("--count", type=int, default=1000, help="how many (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="after which no more are begun (default: %(default)s)"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="default: %(default)s")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(CASES), metavar="KIND,..")
    return parser.parse_args(arguments)


def _jobs(seed: int, count: int, kinds: Sequence[str]) -> list[tuple[str, int]]:
    """Kinds and seeds, the kinds by their shares."""
    turns = [kind for kind in kinds for _ in range(CASES[kind][1])]
    return [(turns[number % len(turns)], seed + number) for number in range(count)]


def _all(jobs: Sequence[tuple[str, int]], folder: Path, processes: int, until: float) -> list[Found]:
    """How each ended, in forked processes; the rest is left out once the time is over."""
    found: list[Found] = []
    fork = multiprocessing.get_context("fork")
    gc.freeze()  # what the parent has lying about is not the children's to take apart: its threads are not there
    try:
        with fork.Pool(processes, _begin, (folder, until), maxtasksperchild=500) as pool:
            for one in pool.imap_unordered(_try, jobs, chunksize=10):
                found += [one] if one[2] else []
                if len(found) % 500 == 0 and one[2]:
                    print(f"{len(found)} of {len(jobs)}", file=sys.stderr, flush=True)
    finally:
        gc.unfreeze()
    return found


_FOLDER = Path()
_UNTIL = 0.0


def _begin(folder: Path, until: float) -> None:
    """At a process's start: where it works and how long, and its own folder as the current one."""
    global _FOLDER, _UNTIL
    _FOLDER, _UNTIL = folder, until
    own = folder / f"process-{os.getpid()}"
    own.mkdir()
    os.chdir(own)
    small_splits()


def _try(job: tuple[str, int]) -> Found:
    kind, seed = job
    if time.monotonic() > _UNTIL:
        return kind, seed, ""
    place = Path.cwd() / f"{kind}-{seed}"
    place.mkdir()
    outcome = CASES[kind][0](_FOLDER / "whole", place, seed)
    shutil.rmtree(place)
    return kind, seed, outcome


def _print(found: Sequence[Found], asked: int) -> None:
    for kind in CASES:
        counts = Counter(outcome for one, _, outcome in found if one == kind)
        if counts:
            print(f"{kind} ({counts.total()}): " + ", ".join(f"{n} {outcome}" for outcome, n in counts.most_common()))
    wrong = [one for one in found if one[2].startswith("wrong")]
    for kind, seed, outcome in wrong[:20]:
        print(f"  --only {kind} --seed {seed} --count 1: {outcome}")
    left = f", {asked - len(found)} not begun: the time was over" if len(found) < asked else ""
    print(f"{len(found)} mutations, {len(wrong)} ended as none may{left}")


if __name__ == "__main__":
    sys.exit(main())
