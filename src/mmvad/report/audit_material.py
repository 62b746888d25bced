"""What an audit can read of a finished run: the scores of its epochs, of its crops, and of runs beside it."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.errors import UserError
from mmvad.metrics.bootstrap import Headline
from mmvad.metrics.evaluate import abnormal_frames, frame_scores
from mmvad.metrics.frame import rank
from mmvad.metrics.frame_metrics import FRAME_METRICS
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.runs import RunFolder, epoch_scores


@dataclass(frozen=True)
class View:
    """Scores as they are looked at: videos with their scores and truth, and how AP is computed."""

    videos: tuple[ScoredVideo, ...]
    trapezoid: bool = False


def figure_of(view: View, metric: Headline) -> float:
    """AP or AUC of the combined score. Raises UserError where the frames are of one kind."""
    videos = view.videos
    ranking = rank(
        frame_scores(videos)["combined"], abnormal_frames(videos), np.concatenate([v.row_frames for v in videos])
    )
    kind = next(known for known in FRAME_METRICS if known.name == metric)
    found = kind.value(ranking.curve(), trapezoid=view.trapezoid)
    if found.value is None:
        raise UserError("test set", str(found.reason), expected="abnormal and normal frames")
    return found.value


class Material:
    """What of a run an audit can read.

    Args:
        report: its `report.json`.
        read: scores with their truth from a file of scores.
        own: the run's own scored test videos, as its report has them.
        siblings: finished runs beside it, with their reports.
        crops: how many its test videos have; None where that is not known.
    """

    def __init__(
        self,
        folder: RunFolder,
        report: Mapping[str, Any],
        read: Callable[[Path], list[ScoredVideo]],
        own: Callable[[RunFolder], list[ScoredVideo]],
        siblings: Sequence[tuple[RunFolder, Mapping[str, Any]]] = (),
        crops: int | None = None,
    ) -> None:
        self.folder, self.report, self.read, self.own, self.siblings = folder, report, read, own, siblings
        self.crops = crops
        self.quirks = report["config"].get("quirks", {})
        self.history = _history(folder)

    @property
    def epochs(self) -> int:
        return int(self.report["config"].get("optim", {}).get("epochs", 0))

    @property
    def trained_here(self) -> bool:
        """Whether its epochs are known: those of scores and of weights from elsewhere are not."""
        return not (self.folder.foreign or self.report["config"].get("published_weights"))

    @property
    def is_plain(self) -> bool:
        """Whether the run's own scores are those of its tested crop, not smoothed."""
        return not self.quirks.get("all_crops") and self.quirks.get("smoothing", "none") == "none"

    def at_epoch(self, epoch: int) -> View | None:
        """The scores of an epoch (from 0); None where they were not kept."""
        path = epoch_scores(self.folder, epoch)
        if path.is_file():
            return View(tuple(self.read(path)))
        return self.reported if self.is_plain and self.selected == epoch else None

    @property
    def selected(self) -> int | None:
        """The epoch (from 0) that the run reports; None where its report does not say."""
        if self.report.get("selected_epoch"):
            return int(self.report["selected_epoch"]) - 1
        return self.epochs - 1 if self.report["select"] == "last" else None

    def reporting(self, epoch: int) -> RunFolder | None:
        """The run's folder, if that epoch (from 0) is the one that it reports."""
        return self.folder if self.selected == epoch else None

    @property
    def reported(self) -> View:
        return View(tuple(self.own(self.folder)))

    def best_held_out(self, metric: str) -> int | None:
        """The epoch (from 0) that is best on held-out videos, the first of equals; None where none were held out."""
        known = [row for row in self.history if math.isfinite(row.get(f"val/{metric}", math.nan))]
        best = first_best([row[f"val/{metric}"] for row in known])
        return None if best is None else int(known[best]["epoch"])

    def sibling(self, **changes: Any) -> RunFolder | None:
        """A finished run that differs from this one in these keys alone: `select`, and dotted ones of `quirks`."""
        own = self.report["config"]
        wanted = _choices(
            {"quirks": {**own.get("quirks", {}), **changes}, "select": changes.get("select", own["select"])}
        )
        for folder, report in self.siblings:
            config = report["config"]
            same = report.get("bank_hash") == self.report.get("bank_hash")
            if same and _without_choice(config) == _without_choice(own) and _choices(config) == wanted:
                return folder
        return None


def first_best(values: Sequence[float | None]) -> int | None:
    known = [(value, -position) for position, value in enumerate(values) if value is not None]
    return -max(known)[1] if known else None


def _without_choice(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what steps change."""
    return {key: value for key, value in config.items() if key not in {"select", "quirks"}}


def _choices(config: Mapping[str, Any]) -> dict[str, Any]:
    """`select` and the quirks that are on: one that is off may stand in no older report."""
    every = {**config.get("quirks", {}), "select": config.get("select")}
    return {key: value for key, value in every.items() if value not in (None, False, "none")}


def _history(folder: RunFolder) -> list[dict[str, float]]:
    if not folder.epochs.is_file():
        return []
    try:
        with open(folder.epochs, newline="", encoding="utf-8") as lines:
            rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(lines)]
        return [row for row in rows if "epoch" in row]
    except (OSError, ValueError, TypeError) as error:
        fix = "remove it: the epoch that held-out videos would choose is then not known"
        raise UserError(folder.epochs, f"cannot be read: {error}", expected="a row an epoch", fix=fix) from None
