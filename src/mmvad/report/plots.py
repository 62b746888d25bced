"""Figures over many runs: the prompt count (Fig. 5) and the heat map of the two lambdas (Table X)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.figures.pictures import Picture, heat_on, save
from mmvad.tables.choosing import select
from mmvad.tables.definitions import headline
from mmvad.tables.filled import FilledTable
from mmvad.tables.notes import caption_notes, chosen_notes, count_note, sentences
from mmvad.tables.results import Results, RowRuns, cell
from mmvad.tables.studies import study_named

OURS, PAPER = "#1f77b4", "#d62728"
LAMBDAS = ("loss.lambda_contrast", "loss.lambda_embed")


def prompt_figure(folder: Path, table: FilledTable) -> Picture:
    """Fig. 5: the headline metric over M/2, ours with deviations over seeds, the paper's beside it."""
    title = f"Fig. 5. Prompt vectors on either side of the class name ({benchmark_named(table.benchmark).title})"
    missing = next((row.absent for row in table.rows if row.absent), None)
    if table.filled < 2:
        need = f"fewer than two prompt counts were run: `{missing}`"
        return Picture(title, "", missing=need)
    figure = Figure(figsize=(5.5, 3.4), layout="constrained")
    axes = figure.add_subplot()
    _draw_prompts(axes, table)
    paper = (
        " The paper's values are read off its Fig. 5." if any(row.paper and row.paper[0] for row in table.rows) else ""
    )
    caption = f"Mean over seeds with standard deviation ({_seeds_of(table)}).{paper}{_said_of(table)}"
    return Picture(title, caption, save(figure, folder, f"fig5_{table.benchmark}"))


def _seeds_of(table: FilledTable) -> str:
    return count_note([len(row.seeds) for row in table.rows if row.seeds])


def _said_of(table: FilledTable) -> str:
    """What the table says of its runs: how checkpoints were chosen, and settings that are not the shipped ones."""
    notes = chosen_notes([(f"M/2 = {row.lead[0]}", row.select) for row in table.rows if not row.absent])
    return sentences([*notes, *(note for note in table.notes if note.startswith("settings other"))])


def _draw_prompts(axes: Axes, table: FilledTable) -> None:
    ours = [(int(row.lead[0]), row.cells[0]) for row in table.rows if row.cells[0].mean is not None]
    counts, cells = zip(*ours)
    means = [cell.mean for cell in cells]
    deviations = [np.nan if cell.deviation is None else cell.deviation for cell in cells]
    axes.errorbar(counts, means, yerr=deviations, marker="o", capsize=3, color=OURS, label="ours")
    paper = [(int(row.lead[0]), row.paper[0].value) for row in table.rows if row.paper and row.paper[0]]
    if paper:
        axes.plot(*zip(*paper), marker="s", linestyle="--", color=PAPER, label="paper")
    axes.set(
        xlabel="learned vectors on either side, M/2",
        ylabel=f"{table.metrics[0].heading} (percent)",
        xticks=sorted({*counts, *dict(paper)}),
    )
    axes.legend(frameon=False, fontsize=9)


def lambda_figure(folder: Path, benchmark: str, results: Results, overrides: Sequence[str] = ()) -> Picture:
    """The headline metric over lambda1 and lambda2."""
    title = f"Table X as a heat map: lambda1 by lambda2 ({benchmark_named(benchmark).title})"
    study = study_named("lambda_grid", benchmark, overrides)
    selection = select(results, study)
    runs = {tuple(row.row.settings[key] for key in LAMBDAS): row for row in selection.rows if row.runs}
    contrast, embed = (sorted({pair[i] for pair in runs}) for i in (0, 1))
    if len(contrast) < 2 or len(embed) < 2:
        return Picture(title, "", missing=f"the grid has fewer than two values of each: `{study.command}`")
    figure = Figure(figsize=(1.2 * len(embed) + 2.4, 0.8 * len(contrast) + 1.6), layout="constrained")
    _draw_grid(figure, contrast, embed, _means(results, benchmark, runs, contrast, embed), headline(benchmark).heading)
    drawn = list(runs.values())
    seeds = count_note([len(row.runs) for row in drawn])
    caption = f"Mean {headline(benchmark).heading} (percent) over seeds ({seeds}); empty cells were not run."
    caption += caption_notes(benchmark, selection, drawn)
    return Picture(title, caption, save(figure, folder, f"lambdas_{benchmark}"))


def _means(
    results: Results, benchmark: str, runs: dict[tuple, RowRuns], contrast: list[float], embed: list[float]
) -> np.ma.MaskedArray:
    """Means in percent, [lambda1, lambda2]; what was not run is masked."""
    means = np.ma.masked_all((len(contrast), len(embed)))
    for (i, left), (j, right) in product(enumerate(contrast), enumerate(embed)):
        row = runs.get((left, right))
        mean = cell(results, headline(benchmark), row.runs).mean if row else None
        if mean is not None:
            means[i, j] = mean
    return means


def _draw_grid(
    figure: Figure, contrast: list[float], embed: list[float], means: np.ma.MaskedArray, metric: str
) -> None:
    axes = figure.add_subplot()
    image = heat_on(axes, means, [f"{v:g}" for v in contrast], [f"{v:g}" for v in embed])
    axes.invert_yaxis()
    axes.set(xlabel="lambda2 (embedding)", ylabel="lambda1 (contrast)")
    figure.colorbar(image, label=f"{metric} (percent)")
