"""How large the effect of a choice is beside the noise of the seed: what a claim of one point stands on."""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.schema import CHOSEN
from mmvad.figures.pictures import Picture, save
from mmvad.tables.choosing import select
from mmvad.tables.definitions import Metric, Settings, headline
from mmvad.tables.filled import SELECTED_ON_TEST
from mmvad.tables.frame import REPEATED, config_columns
from mmvad.tables.notes import sentences
from mmvad.tables.power import pooled_deviation
from mmvad.tables.results import Results, RowRuns
from mmvad.tables.studies import studies

UNKNOWN = "chance unknown: no row has two seeds"
COLUMNS = ("table", "title", "rows", "runs", "best", "worst", "effect", "noise", "by_chance")


def overall(frame: pd.DataFrame, metric: str = "ap", score: str = "combined") -> pd.DataFrame:
    """One row for each run that has the figure, with its configuration and the figure in `percent` (float64)."""
    chosen = (frame["score"] == score) & (frame["metric"] == metric) & (frame["class"] == "all")
    runs = frame[chosen & frame["value"].notna()].drop(columns=["score", "metric", "class", "unit", "reason"])
    return runs.assign(percent=100 * runs["value"].astype("float64")).drop(columns="value").reset_index(drop=True)


def at_base(runs: pd.DataFrame, base: Settings, varied: Sequence[str]) -> pd.DataFrame:
    """The rows of `overall` that differ from the base configuration (`Results.base`) in nothing but these keys."""
    fixed = [key for key in config_columns(runs.drop(columns="percent")) if key not in {*REPEATED, *varied}]
    same = [runs[key].isna() if base[key] is None else runs[key] == base[key] for key in fixed]
    return runs[np.logical_and.reduce([np.ones(len(runs), dtype=bool), *(s.fillna(False) for s in same)])]


def effects(results: Results, benchmark: str) -> pd.DataFrame:
    """One row for each table with two filled rows or more, the largest effect first; figures in points.

    `effect` is the best row's mean minus the worst's, in the headline metric; `noise` the standard deviation over
    seeds, pooled over the rows (missing where no row has two seeds); `by_chance` the effect that as many rows of one
    mean would show on average: noise * sqrt(mean of 1/n) * the expected range of so many standard normal numbers.
    A row whose checkpoints were chosen on the test set has its mark.
    """
    metric = headline(benchmark)
    found = []
    for study in studies(benchmark):
        rows = {_label(r): values for r in select(results, study).rows if (values := _values(results, r, metric))}
        if len(rows) > 1:
            found.append({"table": study.key, "title": study.title, **_effect(rows)})
    frame = pd.DataFrame(found, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[-3:], "Float64"))
    return frame.sort_values("effect", ascending=False, kind="stable").reset_index(drop=True)


def effect_figure(folder: Path, table: pd.DataFrame, benchmark: str) -> Picture:
    """Bars of `effects`, each with what chance would give beside it."""
    title = f"Effect of each choice beside the noise of the seed ({benchmark_named(benchmark).title})"
    if table.empty:
        return Picture(title, "", missing=f"no table has two rows: `make ablations BENCHMARK={benchmark}`")
    figure = Figure(figsize=(7, 0.42 * len(table) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    positions = np.arange(len(table))[::-1]
    axes.barh(positions + 0.2, table["effect"], height=0.38, color="#1f77b4", label="best row minus worst")
    known = table["by_chance"].notna().to_numpy()
    chance = table["by_chance"][known].astype("float64")
    axes.barh(positions[known] - 0.2, chance, height=0.38, color="#b0b7bf", label="expected by chance")
    for position in positions[~known]:
        axes.annotate(UNKNOWN, (0, position - 0.2), (3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_yticks(positions, [f"{row.table}: {row.best} / {row.worst}" for row in table.itertuples()])
    axes.set(xlabel=f"{headline(benchmark).heading} (points)", ylim=(-0.6, len(table) - 0.4))
    figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    caption = (
        "Largest difference between two rows of a table, and what rows of one mean would show by the seeds' noise."
    )
    if any(SELECTED_ON_TEST in label for label in (*table["best"], *table["worst"])):
        caption += sentences([f"{SELECTED_ON_TEST} {CHOSEN['best_test']}"])
    return Picture(title, caption, save(figure, folder, f"effects_{benchmark}"))


def expected_range(count: int) -> float:
    """Mean of the largest minus the smallest of `count` standard normal numbers (0 for one)."""
    x = np.linspace(-8, 8, 4001)
    below = np.array([0.5 * (1 + erf(value / sqrt(2))) for value in x])
    return float((1 - below**count - (1 - below) ** count).sum() * (x[1] - x[0]))


def _label(runs: RowRuns) -> str:
    return (
        f"{runs.row.label} {SELECTED_ON_TEST}"
        if runs.runs and runs.runs[0]["select"] == "best_test"
        else runs.row.label
    )


def _values(results: Results, runs: RowRuns, metric: Metric) -> list[float]:
    figures = (results.figure(record, metric)[0] for record in runs.runs)
    return [100 * figure for figure in figures if figure is not None]


def _effect(rows: dict[str, list[float]]) -> dict[str, object]:
    means = {label: float(np.mean(values)) for label, values in rows.items()}
    best, worst = max(means, key=lambda label: means[label]), min(means, key=lambda label: means[label])
    noise = pooled_deviation(list(rows.values()))
    share = float(np.sqrt(np.mean([1 / len(values) for values in rows.values()])))
    return {
        "rows": len(rows),
        "runs": sum(map(len, rows.values())),
        "best": best,
        "worst": worst,
        "effect": means[best] - means[worst],
        "noise": noise,
        "by_chance": None if noise is None else noise * share * expected_range(len(rows)),
    }
