"""`report.json`: the results of one run and nothing that differs between two equal runs."""

from __future__ import annotations

from typing import Any

from mmvad.config.identity import SCHEMA_VERSION, without_later_keys, without_unread
from mmvad.config.load import plain
from mmvad.metrics.evaluate import evaluate
from mmvad.metrics.in_use import in_use
from mmvad.metrics.judged import Thresholds
from mmvad.metrics.measures import USE
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.training.prepare import Prepared

NAMED_WEIGHTS = ("openai", "random")


def make_report(
    prepared: Prepared,
    videos: list[ScoredVideo],
    parameters: int,
    best_epoch: int | None,
    thresholds: Thresholds | None = None,
) -> dict[str, Any]:
    """Identity, configuration without `runtime` and what the model does not read, and every figure of the test set.

    Args:
        best_epoch: the epoch (from 0) whose checkpoint was chosen by `best_val` or `best_test`; None for `last`.
        thresholds: by score, those that were chosen on held-out training videos.
    """
    config = without_unread(without_later_keys(plain(prepared.config)))
    del config["runtime"], config["data"]["bank"]
    trapezoid = prepared.config.quirks.trapezoid_ap
    weights = config["model"]["text"]["weights"]
    if prepared.text_hash and weights not in NAMED_WEIGHTS:  # a path says where, not what
        config["model"]["text"]["weights"] = f"sha256:{prepared.text_hash[:12]}"
    last = None if prepared.config.published_weights else prepared.config.optim.epochs - 1
    chosen = last if best_epoch is None else best_epoch
    return {
        "schema": SCHEMA_VERSION,
        "identity": prepared.identity,
        "bank_hash": prepared.bank.content_hash,
        "precision": prepared.device.precision,
        "config": config,
        "select": prepared.config.select,
        "selected_on_test": prepared.config.select == "best_test",
        "selected_epoch": None if chosen is None else chosen + 1,
        "features": prepared.bank.features,
        "trainable_parameters": parameters,
        "headline": {"score": "combined", "metric": prepared.benchmark.headline},
        **evaluate(prepared.benchmark, videos, trapezoid=trapezoid),
        **in_use(prepared.benchmark, videos, thresholds, trapezoid=trapezoid),
    }


def report_figures(report: dict[str, Any]) -> dict[str, float]:
    """The figures under the names that sweeps use: `test/ap` of the headline score, `test/coarse/ap` of one branch."""
    headline = report["headline"]["score"]
    figures: dict[str, float] = {}
    for part in (report["scores"], report.get(USE, {})):
        for score, values in part.items():
            known = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
            figures |= {f"test/{score}/{name}": value for name, value in known.items()}
            if score == headline:
                figures |= {f"test/{name}": value for name, value in known.items()}
    return figures
