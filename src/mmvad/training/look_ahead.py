"""`mmvad test RUN --look-ahead 0,1,all`: what a run's scores are worth online. Nothing is trained again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmvad.data.datamodule import FeatureDataModule
from mmvad.data.look_ahead import NO_LIMIT
from mmvad.errors import UserError
from mmvad.metrics.evaluate import evaluate
from mmvad.metrics.in_use import in_use
from mmvad.runs import RunFolder, read_manifest, require_finished, run_config, write_json
from mmvad.training.checkpoints import chosen_checkpoint
from mmvad.training.prepare import Prepared, prepare
from mmvad.training.train import assemble, test, thresholds_of

ALL = "all"


@dataclass(frozen=True)
class LookAheads:
    """A test's figures by look-ahead in snippets (`all` for no limit), as a report has them, and their file."""

    figures: dict[str, dict[str, Any]]
    headline: str
    seconds: float | None
    path: Path


def look_ahead_figures(
    path: Path, look_aheads: Sequence[int], overrides: Sequence[str] = (), checkpoint: Path | None = None
) -> LookAheads:
    """Tests a finished run under each of some look-aheads; leaves `look_ahead.json` in its folder.

    Raises UserError for what is no finished run, for what is not the run's own, and for a run whose scores are smoothed
    over what comes later.
    """
    folder = RunFolder(path)
    require_finished(folder)
    settings = [f"data.look_ahead={each}" for each in look_aheads]
    configs = [run_config(folder, [*overrides, each]) for each in settings]  # refuses before anything is scored
    prepared = prepare(run_config(folder, overrides))
    identity = read_manifest(folder)["identity"]
    if prepared.identity != identity:
        problem = f"configuration, bank or text weights are not the run's (identity {prepared.identity[:12]})"
        fix = "give the run's own bank and weights, and change only runtime.* keys"
        raise UserError(path, problem, expected=f"identity {identity[:12]}", fix=fix)
    file = checkpoint or chosen_checkpoint(prepared.config, folder)
    _, module = assemble(prepared)
    figures = {}
    for config in configs:
        name = ALL if config.data.look_ahead == NO_LIMIT else str(config.data.look_ahead)
        figures[name] = _figures(replace(prepared, config=config), module, file)
    out, benchmark = folder.look_ahead, prepared.benchmark
    content = {"identity": identity, "checkpoint": file.name, "headline": benchmark.headline, "look_ahead": figures}
    write_json(out, content)
    row, rate = benchmark.row, benchmark.frames_per_second
    return LookAheads(figures, benchmark.headline, row.seconds or (row.frames / rate if row.frames else None), out)


def _figures(prepared: Prepared, module: Any, file: Path) -> dict[str, Any]:
    config = prepared.config
    data = FeatureDataModule(config, prepared.bank, prepared.device.torch)
    videos = test(prepared, data, module, file)
    trapezoid = config.quirks.trapezoid_ap
    return {
        **evaluate(prepared.benchmark, videos, trapezoid=trapezoid),
        **in_use(prepared.benchmark, videos, thresholds_of(prepared, data, module), trapezoid=trapezoid),
    }
