"""`mmvad test RUN`: scores the test set again with a run's checkpoint and holds the figures against its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmvad.errors import UserError
from mmvad.metrics.evaluate import evaluate
from mmvad.metrics.in_use import in_use
from mmvad.runs import RunFolder, read_manifest, read_report, require_finished, run_config
from mmvad.training.checkpoints import chosen_checkpoint, read_checkpoint
from mmvad.training.prepare import prepare
from mmvad.training.train import assemble, test, thresholds_of, warn_of_changed_code

EQUAL_WITHIN = 1e-5
"""A thousandth of a point. Sums in another order move scores by 4e-7, and an AP by 4e-6 where two of them trade places.
"""


class Retested(NamedTuple):
    """What a second test gave.

    Attributes:
        report: the run's report with the figures that came out now.
        checkpoint: the file whose weights were tested.
        differing: names of the figures that are not the report's within 1e-5.
    """

    report: dict[str, Any]
    checkpoint: Path
    differing: list[str]


def retest(path: Path, overrides: Sequence[str], checkpoint: Path | None) -> Retested:
    """Tests a run folder again; changes nothing in it.

    Args:
        overrides: keys that do not change the run, such as `data.bank=PATH` where the bank has moved.
        checkpoint: a checkpoint file; by default the one that the run's policy names.

    Raises UserError for what is no finished run, and for what is not the run's own.
    """
    folder = RunFolder(path)
    config = run_config(folder, overrides)
    require_finished(folder)
    report = read_report(folder)
    prepared = prepare(config)
    identity = read_manifest(folder)["identity"]
    if prepared.identity != identity:
        raise UserError(
            path,
            f"configuration, bank or text weights are not the run's (identity {prepared.identity[:12]})",
            expected=f"identity {identity[:12]}",
            fix="give the run's own bank and weights, and change only runtime.* keys",
        )
    warn_of_changed_code(config, folder)
    file = checkpoint or chosen_checkpoint(config, folder)
    read_checkpoint(file, prepared.identity)
    data, module = assemble(prepared)
    videos = test(prepared, data, module, file)
    thresholds = thresholds_of(prepared, data, module)
    trapezoid = config.quirks.trapezoid_ap
    figures = {
        **evaluate(prepared.benchmark, videos, trapezoid=trapezoid),
        **in_use(prepared.benchmark, videos, thresholds, trapezoid=trapezoid),
    }
    wanted = dict(_leaves(report))  # a run from before a metric has nothing to hold it against
    differing = [name for name, value in _leaves(figures) if name in wanted and not _equal(value, wanted[name])]
    return Retested({**report, **figures}, file, differing)


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
