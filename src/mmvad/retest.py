"""`mmvad test RUN`: scores the test set again with a run's checkpoint and holds the figures against its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmvad.checkpoints import BEST, LAST, read_checkpoint
from mmvad.errors import UserError
from mmvad.metrics.evaluate import evaluate
from mmvad.report.terminal import Terminal, frame_table, map_table
from mmvad.runs import LOG, RunFolder, read_manifest, read_report, require_finished, run_config
from mmvad.train import assemble, prepare, test

EQUAL_WITHIN = 1e-6
MISSING = object()


def retest(path: Path, overrides: Sequence[str], checkpoint: Path | None) -> int:
    """Tests a run folder again; changes nothing in it.

    Args:
        overrides: keys that do not change the run, such as `data.bank=PATH` where the bank has moved.
        checkpoint: a checkpoint file; by default the one that the run's policy names.

    Returns: 0 where the figures equal the report's within 1e-6, else 1.

    Raises UserError for what is no finished run, and for what is not the run's own.
    """
    folder = RunFolder(path)
    config = run_config(folder, overrides)
    require_finished(folder)
    report = read_report(folder)
    prepared = prepare(config)
    wanted = read_manifest(folder)["identity"]
    if prepared.identity != wanted:
        raise UserError(
            path,
            f"configuration, bank or text weights are not the run's (identity {prepared.identity[:12]})",
            expected=f"identity {wanted[:12]}",
            fix="give the run's own bank and weights, and change only runtime.* keys",
        )
    file = checkpoint or folder.checkpoints / (LAST if config.select == "last" else BEST)
    read_checkpoint(file, prepared.identity)
    data, module = assemble(prepared)
    videos = test(prepared, data, module, file)
    figures = evaluate(prepared.benchmark, videos, trapezoid=config.quirks.trapezoid_ap)
    return _compare(figures, report, file)


def _compare(figures: dict[str, Any], report: dict[str, Any], file: Path) -> int:
    console = Terminal()
    console.print(frame_table({**report, **figures}))
    console.print(map_table({**report, **figures}))
    found, wanted = dict(_leaves(figures)), dict(_leaves(report))
    differing = [name for name, value in found.items() if not _equal(value, wanted.get(name, MISSING))]
    LOG.info(
        f"{file}: " + (f"differs from the report in {', '.join(differing)}" if differing else "equal to the report")
    )
    return int(bool(differing))


def _leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a tree with its dotted name."""
    if not isinstance(tree, dict):
        yield name, tree
        return
    for key, value in tree.items():
        yield from _leaves(value, f"{name}.{key}" if name else str(key))


def _equal(a: Any, b: Any) -> bool:
    number = isinstance(a, float) and isinstance(b, float)
    return abs(a - b) <= EQUAL_WITHIN if number else a == b
