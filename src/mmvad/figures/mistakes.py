"""Which classes the fine branch takes for which, in frames of the test set, and each class's own figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.figures.pictures import Picture, file_name, heat_on, save
from mmvad.metrics.frame import row_positives
from mmvad.metrics.scored_video import ScoredVideo


def confusion(benchmark: Benchmark, videos: Sequence[ScoredVideo]) -> pd.DataFrame:
    """Frames by annotated class (rows) and by the class with the highest probability (columns), int64 [C, C].

    A frame in events of two classes counts in both rows; one in no event is normal. Videos without class
    probabilities are left out.
    """
    keys = list(benchmark.class_keys)
    counted = np.zeros((len(keys), len(keys)), dtype=np.int64)
    for video in videos:
        if video.class_probabilities is not None:
            chosen = video.class_probabilities.argmax(axis=1)
            for row, frames in zip(counted, _frames_by_class(keys, video)):
                np.add.at(row, chosen, frames)
    return pd.DataFrame(counted, index=pd.Index(keys, name="annotated"), columns=pd.Index(keys, name="predicted"))


def error_shares(table: pd.DataFrame) -> pd.DataFrame:
    """Each annotated class's frames, and which share of them is found, missed (predicted normal) or mistaken."""
    frames = table.sum(axis=1)
    found = pd.Series(np.diag(table), index=table.index)
    missed = table[table.columns[0]].where(table.index != table.columns[0], 0)
    parts = pd.DataFrame({"found": found, "missed": missed, "mistaken": frames - found - missed})
    return pd.concat({"frames": frames}, axis=1).join(parts.div(frames.where(frames > 0), axis=0))


def class_figures(frame: pd.DataFrame, runs: Sequence[str], metric: str, score: str) -> pd.Series:
    """A figure by class in percent, mean over runs (identities); classes without the figure are left out."""
    chosen = frame["identity"].isin(list(runs)) & (frame["score"] == score) & (frame["metric"] == metric)
    rows = frame[chosen & (frame["class"] != "all") & frame["value"].notna()]
    return 100 * rows["value"].astype("float64").groupby(rows["class"], sort=False).mean()


def confusion_figure(folder: Path, table: pd.DataFrame, benchmark: Benchmark, name: str) -> Picture:
    """The confusion with each row as shares of its frames; classes without a frame are left out of the rows."""
    title = f"Classes taken for one another: {name} ({benchmark.title})"
    there = table[table.sum(axis=1) > 0]
    if there.empty:
        return Picture(title, "", missing="no run with a fine branch: `--loss.fine=on`")
    shares = there.div(there.sum(axis=1), axis=0).to_numpy() * 100
    words = {c.key: c.prompt for c in benchmark.classes}
    columns, rows = [words[key] for key in table.columns], [words[key] for key in there.index]
    figure = Figure(figsize=(0.75 * len(columns) + 2.6, 0.45 * len(rows) + 1.8), layout="constrained")
    axes = figure.add_subplot()
    image = heat_on(axes, shares, rows, columns, decimals=0, ends=(0, 100))
    axes.tick_params(axis="x", labelrotation=40)
    axes.set(xlabel="predicted", ylabel="annotated")
    figure.colorbar(image, label="frames of the row (percent)")
    caption = "Class with the highest probability, over the frames of each annotated class."
    return Picture(title, caption, save(figure, folder, f"confusion_{file_name(name)}_{benchmark.name}"))


def _frames_by_class(keys: Sequence[str], video: ScoredVideo) -> np.ndarray:
    """Frames of each class in each row, int64 [C, n]; normal first: those in no event."""
    edges = video.frame_edges
    spans = [[(e.start, e.end) for e in video.events if e.label == key] for key in keys]
    abnormal = row_positives([span for found in spans[1:] for span in found], edges)
    return np.stack([video.row_frames - abnormal, *(row_positives(found, edges) for found in spans[1:])])
