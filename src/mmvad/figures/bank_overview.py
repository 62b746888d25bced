"""A bank at a glance: one record a video, videos as single points, and those points in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from mmvad.bank.bank import Bank, BankVideo
from mmvad.benchmarks.benchmark import Split
from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.metrics.frame import row_positives

Modality = Literal["visual", "audio"]
SPLITS: tuple[Split, ...] = ("train", "test")


def video_table(bank: Bank) -> pd.DataFrame:
    """One row a video: split, video, classes (joined by +), normal, snippets, seconds, crops, sound, abnormal_share.

    `abnormal_share` is the share of abnormal frames of a test video, missing in training.
    """
    spec = benchmark_named(bank.benchmark)
    rows = []
    for split in SPLITS:
        for video in bank.split(split).videos:
            rows.append(
                {
                    "split": split,
                    "video": video.name,
                    "classes": "+".join(video.labels),
                    "normal": video.labels == (spec.normal,),
                    "snippets": video.snippets,
                    "seconds": video.timing.duration(video.snippets, spec.frames_per_second),
                    "crops": len(video.crops),
                    "sound": video.audio_start is not None,
                    "abnormal_share": _abnormal_share(video) if split == "test" else None,
                }
            )
    return pd.DataFrame(rows).astype({"abnormal_share": "Float64"})


def class_counts(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Videos by class and split; a video of two classes counts in both."""
    single = table.assign(label=table["classes"].str.split("+")).explode("label")
    counts = single.pivot_table(index="label", columns="split", values="video", aggfunc="count", fill_value=0)
    return counts.reindex(index=list(keys), columns=list(SPLITS), fill_value=0).rename_axis(index="class")


def video_means(bank: Bank, split: Split, modality: Modality = "visual") -> tuple[list[BankVideo], np.ndarray]:
    """Every video's mean feature, float64 [videos, d], of its first crop; audio leaves silent videos out."""
    part = bank.split(split)
    taken = [v for v in part.videos if modality == "visual" or part.audio_rows(v) is not None]
    rows = (part.visual_rows(v, v.crops[0]) if modality == "visual" else part.audio_rows(v) for v in taken)
    means = [np.asarray(found, dtype=np.float64).mean(axis=0) for found in rows if found is not None]
    return taken, np.stack(means) if means else np.zeros((0, 0))


def principal_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points [n, d] on their two principal axes, [n, 2], and the share of the variance on each, [2].

    An axis points to where its largest coordinate is positive, so that equal points give equal pictures.
    """
    centred = points - points.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    plane = np.zeros((len(points), 2))
    found = centred @ (axes * signs[:, None])[:2].T
    plane[:, : found.shape[1]] = found
    shares = np.zeros(2)
    total = float((sizes**2).sum())
    shares[: min(2, len(sizes))] = (sizes**2 / total if total else sizes)[:2]
    return plane, shares


def _abnormal_share(video: BankVideo) -> float:
    edges = video.timing.borders(video.snippets)
    return float(row_positives(video.intervals, edges).sum()) / int(edges[-1])
