"""A sweep whose cells only sleep: the real queue, workers and engine, with identities that need no bank.

python -m tests.sweeps.stub FILE RESULTS --workers 4
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mmvad.config.identity import run_name
from mmvad.config.load import plain
from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.runs import RunFolder, write_json
from mmvad.sweeps.cells import Cell, Resolver, expand
from mmvad.sweeps.definition import read_sweep
from mmvad.sweeps.grid import CellState, run_grid
from mmvad.sweeps.storage import open_database, storage_url
from mmvad.sweeps.worker import HELD
from mmvad.system.stopping import interrupted_code

TRAINER = "tests.sweeps.stub:sleep"
SECONDS = "MMVAD_STUB_SECONDS"


class StubResolver(Resolver):
    """Identities from the configuration alone."""

    def identity(self, config: Config) -> str:
        return identity_of(config)


def identity_of(config: Config) -> str:
    tree = plain(config)
    del tree["runtime"]
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def sleep(config: Config) -> RunFolder:
    """In place of training: sleeps, leaves a report and a line in the ledger; a file `broken` says which cells fail."""
    identity = identity_of(config)
    folder = RunFolder(config.runtime.results / run_name(config, identity))
    folder.path.mkdir(parents=True, exist_ok=True)
    time.sleep(float(os.environ.get(SECONDS, "0.05")))
    broken = config.runtime.results / "broken"
    if broken.is_file() and config.modalities in broken.read_text().split():
        raise UserError("loss", "the training loss is nan") if config.seed else MemoryError("out of memory")
    scores = {"combined": {"ap": round(int(identity[:8], 16) / 2**32, 6)}}
    write_json(folder.manifest, {"pid": os.getpid()})
    content = {"identity": identity, "headline": {"score": "combined", "metric": "ap"}, "scores": scores}
    write_json(folder.report, content)
    with open(config.runtime.results / "ledger", "a") as ledger:
        ledger.write(f"{identity}\n")
    return folder


def wait_for_the_others(config: Config) -> RunFolder:
    """`sleep`, but the cell of seed 0 is another process's until two other cells are done."""
    if config.seed == 0 and len(ledger(config.runtime.results)) < 2:
        raise UserError(config.runtime.results, HELD)
    return sleep(config)


def climb(config: Config, watch: Callable[[int, dict[str, float]], None]) -> RunFolder:
    """In place of training with validation: a figure that grows towards one that the learning rate and dropout say."""
    identity = identity_of(config)
    folder = RunFolder(config.runtime.results / run_name(config, identity))
    folder.path.mkdir(parents=True, exist_ok=True)
    if (config.runtime.results / "broken").is_file():
        raise UserError("loss", "the training loss is nan")
    goal = 1 / (1 + abs(math.log10(config.optim.learning_rate) + 3)) - config.model.dropout / 2
    rows = []
    for epoch in range(config.optim.epochs):
        time.sleep(float(os.environ.get(SECONDS, "0.05")) / 10)
        rows.append({"epoch": epoch, "val/ap": goal * (epoch + 1) / config.optim.epochs})
        folder.epochs.write_text(as_csv(rows))
        watch(epoch, {"loss/total": 1.0, "val/ap": rows[-1]["val/ap"]})
    write_json(folder.manifest, {})
    write_json(folder.report, {"identity": identity, "scores": {"combined": {"ap": 1.0}}})
    with open(config.runtime.results / "ledger", "a") as ledger:
        ledger.write(f"{identity}\n")
    return folder


def as_csv(rows: list[dict[str, float]]) -> str:
    return "".join(["epoch,val/ap\n", *(f"{row['epoch']},{row['val/ap']}\n" for row in rows)])


def stub_cells(file: Path, results: Path) -> list[Cell]:
    sweep = read_sweep(file)
    return StubResolver().cells(sweep, expand(sweep, [f"runtime.results={results}"]))


def run_stub(
    file: Path, results: Path, *, workers: int = 2, storage: str | None = None, trainer: str = TRAINER, **options: bool
) -> list[CellState]:
    """The sweep of a file, run to its end in this process and its workers."""
    database = open_database(storage_url(storage, results))
    cells = stub_cells(file, results)
    return run_grid(file.stem, cells, database, workers=workers, trainer=trainer, **options)


def ledger(results: Path) -> list[str]:
    """The identity of every run that was trained to its end, in order."""
    file = results / "ledger"
    return file.read_text().split() if file.is_file() else []


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--storage")
    options = parser.parse_args()
    try:
        states = run_stub(options.file, options.results, workers=options.workers, storage=options.storage)
    except KeyboardInterrupt:
        return interrupted_code()
    return int(not all(state.finished for state in states))


if __name__ == "__main__":
    sys.exit(main())
