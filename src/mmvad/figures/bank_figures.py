"""Figures of a bank: how long its videos are, which classes it holds, where videos lie in feature space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from mmvad.bank.bank import Bank
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.figures.bank_overview import SPLITS, Modality, principal_plane, video_means
from mmvad.figures.pictures import Picture, save

MARKERS = "^sDvPX<>"
COLOURS = {"train": "#1f77b4", "test": "#e08214"}


def length_figure(folder: Path, table: pd.DataFrame, benchmark: Benchmark) -> Picture:
    """Histogram of the videos' lengths in snippets, on a logarithmic axis, both splits."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot()
    edges = np.geomspace(max(int(table["snippets"].min()), 1), int(table["snippets"].max()) + 1, 30)
    for split in SPLITS:
        lengths = table.loc[table["split"] == split, "snippets"]
        axes.hist(lengths, bins=edges.tolist(), histtype="step", color=COLOURS[split], label=split, linewidth=1.5)
    axes.set(xscale="log", xlabel="snippets", ylabel="videos")
    for which in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        which(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    axes.legend(frameon=False, fontsize=9)
    caption = f"{len(table)} videos, median {table['snippets'].median():.0f} snippets."
    return Picture(f"Lengths ({benchmark.title})", caption, save(figure, folder, f"lengths_{benchmark.name}"))


def class_figure(folder: Path, counts: pd.DataFrame, benchmark: Benchmark) -> Picture:
    """Videos of each class, both splits."""
    words = {c.key: c.prompt for c in benchmark.classes}
    figure = Figure(figsize=(6, 0.4 * len(counts) + 1), layout="constrained")
    axes = figure.add_subplot()
    positions = np.arange(len(counts))[::-1]
    for split, shift in zip(SPLITS, (0.2, -0.2)):
        bars = axes.barh(positions + shift, counts[split], height=0.38, color=COLOURS[split], label=split)
        axes.bar_label(bars, fontsize=8, padding=2)
    axes.margins(x=0.08)  # room for the longest bar's number
    axes.set_yticks(positions, [words[key] for key in counts.index])
    axes.set_xlabel("videos")
    axes.legend(frameon=False, fontsize=9)
    caption = "A video of several classes counts in each."
    return Picture(f"Classes ({benchmark.title})", caption, save(figure, folder, f"classes_{benchmark.name}"))


def projection_figure(
    folder: Path, bank: Bank, benchmark: Benchmark, modalities: Sequence[Modality] = ("visual", "audio")
) -> Picture:
    """Test videos' mean features on their two principal axes, a panel for each modality that the bank has."""
    title = f"Videos in feature space ({benchmark.title})"
    found = {m: video_means(bank, "test", m) for m in modalities}
    there = {m: pair for m, pair in found.items() if len(pair[0]) > 2}
    if not there:
        return Picture(title, "", missing="fewer than three test videos")
    figure = Figure(figsize=(4.6 * len(there) + 1.4, 4), layout="constrained")
    for position, (modality, (videos, points)) in enumerate(there.items()):
        axes = figure.add_subplot(1, len(there), position + 1)
        plane, shares = principal_plane(points)
        _scatter(axes, plane, [video.labels[0] for video in videos], benchmark)
        names = [f"axis {i + 1} ({share:.0%} of the variance)" for i, share in enumerate(shares)]
        axes.set(xlabel=names[0], ylabel=names[1], title=modality)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8)
    caption = "Mean over a test video's snippets, first crop, by its first label."
    return Picture(title, caption, save(figure, folder, f"projection_{benchmark.name}"))


def _scatter(axes: Axes, plane: np.ndarray, labels: Sequence[str], benchmark: Benchmark) -> None:
    """One colour and form a class, for readers who confuse colours; normal videos grey and small, below the others."""
    of = np.array(labels)
    for position, c in enumerate(benchmark.classes):
        own = plane[of == c.key]
        normal = c.key == benchmark.normal
        colour = "#b0b7bf" if normal else colormaps["tab20"]((position - 1) % 20)
        axes.scatter(
            own[:, 0],
            own[:, 1],
            s=12 if normal else 22,
            color=colour,
            marker="o" if normal else MARKERS[(position - 1) % len(MARKERS)],
            label=c.prompt,
            zorder=1 if normal else 2,
        )
