"""Ranks over seeds: which rows of a table keep their place when the seed is another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.figures.pictures import Picture, save
from mmvad.tables.choosing import select
from mmvad.tables.definitions import Metric, headline
from mmvad.tables.frame import repetition
from mmvad.tables.measured import measured
from mmvad.tables.notes import OURS_NAME
from mmvad.tables.results import Record, Results
from mmvad.tables.studies import MODALITIES, studies, study_named

Rows = dict[str, dict[tuple[str, int], float]]
"""By row, the figure of each fold and seed."""
FEWEST = 3


def rank_figure(folder: Path, benchmark: str, results: Results, overrides: Sequence[str] = ()) -> Picture:
    """Every row's rank on every shared seed, of the methods or else of the table with most rows.

    Rank 1 is best in the headline metric; equal figures share the mean of their ranks.
    """
    title = f"Ranks over seeds ({benchmark_named(benchmark).title})"
    name, rows = _most_rows(benchmark, results, overrides)
    seeds = shared(rows)
    if len(rows) < FEWEST or len(seeds) < 2:
        return Picture(
            title, "", missing=f"no table has {FEWEST} rows that share two seeds: `--seeds 0,1,2` of a sweep"
        )
    table = np.array([[own[seed] for seed in seeds] for own in rows.values()])
    ranks = ranked(table)
    order = np.argsort(-ranks.mean(axis=1), kind="stable")
    labels = list(rows)
    figure = Figure(figsize=(6.5, 0.36 * len(rows) + 1.1), layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(order):
        axes.plot(ranks[row], np.full(len(seeds), place), ".", color="#1f77b4", alpha=0.5, markersize=9)
        axes.plot([ranks[row].min(), ranks[row].max()], [place, place], color="#1f77b4", linewidth=0.8)
        axes.plot(ranks[row].mean(), place, "D", color="#d62728", markersize=5)
    axes.set_yticks(range(len(order)), [labels[row] for row in order])
    axes.set(xlabel=f"rank in {headline(benchmark).heading}, 1 is best", xlim=(0.5, len(rows) + 0.5))
    caption = f"{name}: each dot a seed of {len(seeds)} that all rows share, the diamond the mean rank."
    return Picture(title, caption, save(figure, folder, f"ranks_{benchmark}"))


def ranked(figures: np.ndarray) -> np.ndarray:
    """Ranks of rows in every column of [rows, seeds], 1 for the highest; ties have the mean of their ranks."""
    higher = (figures[None] > figures[:, None]).sum(axis=1)
    equal = (figures[None] == figures[:, None]).sum(axis=1)
    return higher + (equal + 1) / 2


def shared(rows: Mapping[str, Mapping[tuple[str, int], float]]) -> list[tuple[str, int]]:
    """The folds and seeds that all rows have."""
    common = set.intersection(*({*own} for own in rows.values())) if rows else set()
    return sorted(common)


def _most_rows(benchmark: str, results: Results, overrides: Sequence[str]) -> tuple[str, Rows]:
    """Of the tables whose rows share two seeds the one with most rows: the methods first."""
    metric = headline(benchmark)
    methods = {peer.title: _figures(results, metric, peer.runs) for peer in measured(results, benchmark)}
    ours = select(results, study_named(MODALITIES, benchmark, overrides)).base
    candidates = [("methods", {**methods, **({OURS_NAME: _figures(results, metric, ours.runs)} if ours else {})})]
    for study in studies(benchmark, overrides):
        chosen = select(results, study).rows
        candidates.append(
            (study.title, {row.row.label: _figures(results, metric, row.runs) for row in chosen if row.runs})
        )
    repeated = [(name, {row: own for row, own in rows.items() if len(own) > 1}) for name, rows in candidates]
    return max(repeated, key=lambda found: len(found[1]) if len(shared(found[1])) > 1 else 0)


def _figures(results: Results, metric: Metric, runs: Sequence[Record]) -> dict[tuple[str, int], float]:
    values = {repetition(record): results.figure(record, metric)[0] for record in runs}
    return {key: value for key, value in values.items() if value is not None}
