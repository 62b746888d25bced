"""What a number of seeds can show: the noise between seeds, and how many it takes to see an effect."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from mmvad.metrics.bootstrap import holm
from mmvad.models.outside import OURS
from mmvad.tables.definitions import Metric
from mmvad.tables.filled import FilledRow
from mmvad.tables.results import Record, Results

SIGNIFICANT = 0.05
_QUANTILES = 1.959964 + 0.841621
"""Of the normal distribution: 5 % two-sided, and a chance of 80 % to see what is there."""


def pooled_deviation(rows: Sequence[Sequence[float]]) -> float | None:
    """The standard deviation within rows, each weighted by its degrees of freedom; None where there are none."""
    freedom = sum(len(values) - 1 for values in rows)
    squares = sum(float(np.sum((np.array(values) - np.mean(values)) ** 2)) for values in rows)
    return float(np.sqrt(squares / freedom)) if freedom else None


def seeds_needed(deviation: float, effect: float) -> int:
    """Seeds a row that show an `effect` d in 80 % of cases at the 5 % level: 2 (2.80 s / d)^2, at least 2."""
    return max(2, ceil(2 * (_QUANTILES * deviation / effect) ** 2))


def power_note(rows: Sequence[Sequence[float]], unit: str) -> list[str]:
    """How many seeds would show one point, from the rows' own noise; nothing where no row has two seeds."""
    deviation = pooled_deviation([values for values in rows if values])
    if deviation is None:
        return []
    few, many = seeds_needed(deviation, 1.0), seeds_needed(deviation, 0.5)
    return [
        f"seeds differ by {deviation:.2f} points of {unit} (standard deviation, pooled over rows): to see a difference "
        f"of 1 point takes {few} seeds a row, of half a point {many} (80 % power, 5 % level, seeds unpaired)"
    ]


def worlds_note(results: Results, metric: Metric, runs: Sequence[Record]) -> list[str]:
    """How far the base row differs between banks of its benchmark, such as a generator's worlds; nothing of one bank.

    Args:
        runs: of the base row; those of its recipe on other banks are looked up.
    """
    if not runs or runs[0].get("data.fold"):
        return []
    by_bank: dict[str, list[float]] = {}
    for record in results.of(runs[0]["benchmark"], runs[0].get("model.name", OURS)):
        value, _ = results.figure(record, metric)
        if value is not None and record["recipe"] == runs[0]["recipe"]:
            by_bank.setdefault(record["bank_hash"], []).append(100 * value)
    means = [float(np.mean(values)) for values in by_bank.values()]
    if len(means) < 2:
        return []
    each = ", ".join(f"{mean:.2f}" for mean in sorted(means))
    spread = float(np.std(means, ddof=1))
    return [f"the base row on {len(means)} banks: {each} {metric.heading}, a standard deviation of {spread:.2f} points"]


def corrected_note(rows: Sequence[FilledRow]) -> list[str]:
    """Which differences stand after Holm's correction for their number."""
    compared = [(row, row.difference.p) for row in rows if row.difference and row.difference.p is not None]
    if not compared:
        return []
    corrected = holm([p for _, p in compared])
    standing = [f"{row.lead[0]} (p = {p:.2g})" for (row, _), p in zip(compared, corrected) if p < SIGNIFICANT]
    many = f"{len(compared)} differences" if len(compared) > 1 else "1 difference"
    alone = any(len(row.seeds) == 1 or (row.difference and row.difference.paired == 1) for row, _ in compared)
    of_videos = "; with one seed that is of other test videos, not of other seeds" if standing and alone else ""
    return [f"significant at 5 % after Holm's correction for {many}: {', '.join(standing) or 'none'}{of_videos}"]
