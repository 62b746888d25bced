"""`mmvad sweep run | status | pull | wandb`: sweep files, run here, on many machines, or by W&B agents."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmvad.sweeps.definition import Sweep
    from mmvad.sweeps.grid import CellState
    from mmvad.sweeps.storage import Database


def add_sweep_parser(subparsers: Any) -> None:
    """Adds `sweep` with its verbs to what `ArgumentParser.add_subparsers` gave; each sets `run(args) -> exit code`."""
    parser = subparsers.add_parser("sweep", help="run a sweep file, on one machine or many", description=__doc__)
    verbs = parser.add_subparsers(dest="sweep_verb", metavar="VERB", required=True)
    _add_run(verbs)
    status = verbs.add_parser("status", help="list the cells of a sweep and how they stand")
    _add_sweep_options(status)
    _add_storage(status)
    status.set_defaults(run=run_status)
    pull = verbs.add_parser("pull", help="bring reports from the database into a results folder")
    pull.add_argument("--results", type=Path, default=Path("runs"), metavar="DIR", help="default: %(default)s")
    _add_storage(pull)
    pull.set_defaults(run=run_pull)
    _add_wandb(verbs)


def _add_run(verbs: Any) -> None:
    parser = verbs.add_parser(
        "run",
        help="run what is not finished of a sweep",
        description="Runs the cells of a sweep file that are not finished. The same command again goes on after a "
        "kill; started on another machine with the same --storage, it takes its share.",
    )
    _add_sweep_options(parser)
    _add_storage(parser)
    parser.add_argument("--workers", type=_count, default=1, metavar="N", help="processes (default: %(default)s)")
    parser.add_argument("--limit", type=_count, metavar="N", help="run at most so many cells more")
    parser.add_argument("--retry-failed", action="store_true", help="run failed cells again")
    parser.add_argument("--dry-run", action="store_true", help="list the cells and how they stand; run nothing")
    parser.set_defaults(run=run_sweep)


def _add_wandb(verbs: Any) -> None:
    parser = verbs.add_parser("wandb", help="write the file that `wandb sweep` takes; with --agent, run an agent too")
    _add_sweep_options(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: RESULTS/.sweeps/NAME-BENCHMARK.yaml")
    parser.add_argument("--agent", action="store_true", help="register the sweep at W&B and run an agent here")
    parser.add_argument("--count", type=_count, metavar="N", help="runs of the agent (default: until the sweep ends)")
    parser.set_defaults(run=run_wandb)


def _add_sweep_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a sweep file, or a shipped one by name: modalities")
    parser.add_argument("--benchmark", metavar="B", help="a name, or a file of your own (default: the file's)")
    parser.add_argument("--results", type=Path, default=Path("runs"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--seeds", type=_seeds, metavar="0,1,2", help="replace the file's seeds")
    parser.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="configuration keys for every cell, such as data.bank=PATH",
    )


def _add_storage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--storage", metavar="URL", help="postgresql://USER@HOST/NAME or sqlite:///FILE (default: RESULTS/sweeps.db)"
    )


def run_sweep(args: argparse.Namespace) -> int:
    """Runs a sweep; 0 where every cell is finished, 1 where some failed."""
    sweep, overrides = _read(args)
    if args.dry_run:
        return run_status(args)
    if sweep.method != "grid":
        return _run_search(args, sweep, overrides)
    from mmvad.report.sweep_ending import conclude
    from mmvad.sweeps.cells import Resolver, expand, unread
    from mmvad.sweeps.grid import cell_states, limited, run_grid
    from mmvad.sweeps.study import Queue

    expanded = expand(sweep, overrides)
    cells = Resolver().cells(sweep, expanded)
    database = _open(args)
    states = cell_states(cells, Queue(database))
    before = sum(state.finished for state in states)
    print(f"{sweep.file}: {len(cells)} cells on {sweep.benchmark}, {before} finished; queue {database.shown}")
    for line in unread(sweep, expanded):
        print(line)
    taken = limited(states, args.limit, retry_failed=args.retry_failed)
    run_grid(
        f"{sweep.name} on {sweep.benchmark}", taken, database, workers=args.workers, retry_failed=args.retry_failed
    )
    return conclude(sweep, cells, database, before, overrides, _go_on(args, sweep))


def run_status(args: argparse.Namespace) -> int:
    """Lists the cells, or what a search draws from and how it stands."""
    from mmvad.errors import UserError
    from mmvad.sweeps.cells import Resolver, expand, title, unread
    from mmvad.sweeps.grid import cell_states
    from mmvad.sweeps.study import Queue

    sweep, overrides = _read(args)
    if sweep.method != "grid":
        return _describe_search(args, sweep, overrides)
    expanded = expand(sweep, overrides)
    for line in unread(sweep, expanded):
        print(line)
    try:
        cells = Resolver().cells(sweep, expanded)
    except UserError as error:
        for values, _ in expanded:
            print(f"  {title(sweep, values)}")
        print(f"{sweep.file}: {len(expanded)} cells on {sweep.benchmark}; which are done cannot be said: {error}")
        return 0
    database = _open(args) if _exists(args) else None
    _list(cell_states(cells, Queue(database) if database else None), sweep)
    return 0


def run_pull(args: argparse.Namespace) -> int:
    """Writes the reports of the database that are not here."""
    from mmvad.sweeps.pull import pull

    came, before, locked = pull(_open(args, must_exist=True), args.results)
    left = f", {locked} left out (another process is writing them)" if locked else ""
    print(f"{args.results}: {came} reports pulled, {before} were here{left}")
    return 0


def run_wandb(args: argparse.Namespace) -> int:
    """Writes W&B's copy of a sweep file, and runs an agent where asked."""
    from mmvad.sweeps.agents import start_agent, write_wandb_file

    sweep, overrides = _read(args)
    expanded = _checked(sweep, overrides)
    out = args.out or args.results / ".sweeps" / f"{sweep.name}-{sweep.benchmark}.yaml"
    file = write_wandb_file(sweep, overrides, out)
    go_on = _go_on(args, sweep)
    if args.agent:
        return start_agent(file, args.count, go_on)
    print(f"{file}: {expanded} for W&B; next: wandb sweep --project mmvad {file}, then wandb agent ID")
    print(f"without W&B: {go_on}")
    return 0


def _read(args: argparse.Namespace) -> tuple[Sweep, list[str]]:
    """The sweep that the options mean, and `key=value` for every cell."""
    from mmvad.sweeps.definition import read_sweep

    overrides = [*checked_assignments(args.set), f"runtime.results={args.results}"]
    return read_sweep(args.file, args.benchmark, args.seeds), overrides


def checked_assignments(given: list[str]) -> list[str]:
    """What was given to `--set`. Raises UserError for a word that is no assignment."""
    from mmvad.errors import UserError

    for text in given:
        if "=" not in text or text.startswith("-"):
            raise UserError("--set", f"{text!r} is no assignment", expected="KEY=VALUE, such as data.bank=banks/mine")
    return given


def _checked(sweep: Sweep, overrides: Sequence[str]) -> str:
    from mmvad.sweeps.cells import expand
    from mmvad.sweeps.search import check_search

    if sweep.method == "grid":
        return f"{len(expand(sweep, overrides))} cells"
    check_search(sweep, overrides)
    return "a search"


def _run_search(args: argparse.Namespace, sweep: Sweep, overrides: list[str]) -> int:
    from mmvad.config.load import spelled
    from mmvad.sweeps.search import run_search

    options = {"workers": args.workers, "limit": args.limit, "retry_failed": args.retry_failed}
    standing, best = run_search(sweep, overrides, _open(args), **options)
    print(standing.line(None))
    if standing.failed:
        print(f"  fix: the same command with --retry-failed, when the reason is gone ({args.results}/.sweeps/*.log)")
    for trial in best[:5]:
        settings = "  ".join(f"--{key}={spelled(value)}" for key, value in trial.params.items())
        print(f"  {sweep.metric} {trial.value:.4f}   {settings}")
    return int(standing.failed > 0)


def _describe_search(args: argparse.Namespace, sweep: Sweep, overrides: list[str]) -> int:
    from mmvad.errors import UserError
    from mmvad.sweeps.cells import Resolver
    from mmvad.sweeps.search import check_search, run_cap, standing_of
    from mmvad.sweeps.trials import study_name

    lowest = check_search(sweep, overrides)
    print(f"{sweep.file}: a search on {sweep.benchmark}, {run_cap(sweep)} trials")
    for key, drawn in sweep.ranges().items():
        scale = ", logarithmic" if drawn.log else ""
        print(f"  {key}: {list(drawn.choices) or f'{drawn.low:g} to {drawn.high:g}{scale}'}")
    try:
        name = study_name(sweep, lowest, overrides, Resolver())
    except UserError as error:
        print(f"how many are done cannot be said: {error}")
        return 0
    standing = standing_of(sweep, name, _open(args)) if _exists(args) else None
    print(standing.line(None) if standing else "not begun")
    return 0


def _list(states: Sequence[CellState], sweep: Sweep) -> None:
    for state in states:
        reason = f"  {state.reason.splitlines()[0]}" if state.reason else ""
        print(f"  {state.state:<14} {state.cell.identity[:12]}  {state.cell.title}{reason}")
    counts: dict[str, int] = {}
    for state in states:
        counts[state.state] = counts.get(state.state, 0) + 1
    summary = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"{sweep.file}: {len(states)} cells on {sweep.benchmark}: {summary}")


def _go_on(args: argparse.Namespace, sweep: Sweep) -> str:
    """The command that runs the same cells here, without a password."""
    from mmvad.benchmarks.registry import benchmark
    from mmvad.sweeps.storage import Database, storage_url

    storage = getattr(args, "storage", None)  # `sweep wandb` has none
    words = [
        "mmvad",
        "sweep",
        "run",
        str(args.file),
        "--benchmark",
        args.benchmark or benchmark(sweep.benchmark).written,
    ]
    words += ["--results", str(args.results)] if args.results != Path("runs") else []
    words += ["--storage", Database(storage_url(storage, args.results)).shown] if storage else []
    words += ["--seeds", ",".join(map(str, args.seeds))] if args.seeds else []
    return shlex.join([*words, *(["--set", *args.set] if args.set else [])])


def _exists(args: argparse.Namespace) -> bool:
    """Whether there may be something to read; asking does not make a database."""
    from mmvad.sweeps.storage import Database, storage_url

    path = Database(storage_url(args.storage, args.results)).path
    return path is None or path.is_file()


def _open(args: argparse.Namespace, *, must_exist: bool = False) -> Database:
    from mmvad.sweeps.storage import open_database, storage_url

    return open_database(storage_url(args.storage, args.results), must_exist=must_exist)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 up")
    return int(text)


def _seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: expected seeds such as 0,1,2")
    return tuple(dict.fromkeys(int(part) for part in parts))
