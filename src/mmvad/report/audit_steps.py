"""What each habit of the field is worth on one finished run: its steps, one after the other, each with its gain.

A run is reported at its last epoch, in one crop, not smoothed, with AP in the step form. Public figures often are not:
the epoch is chosen on the test set, its weights are reloaded, scores are smoothed, AP is a sum of trapezoids, crops are
averaged, another ground truth is used. Every step here takes one such habit up, on top of those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import numpy as np

from mmvad.errors import UserError
from mmvad.metrics.bootstrap import LEVEL, Headline, exactly_resampled, video_weights
from mmvad.metrics.evaluate import abnormal_frames, frame_scores
from mmvad.metrics.frame import rank
from mmvad.metrics.frame_metrics import FRAME_METRICS
from mmvad.metrics.postprocessing import smoothed
from mmvad.report.audit_material import Material, View, first_best
from mmvad.runs import crop_scores

LAST, HELD_OUT, TEST, RELOAD, SMOOTHING, TRAPEZOIDS, CROPS, TRUTH = (
    "last epoch",
    "best epoch on held-out videos",
    "best epoch on the test set",
    "weights reloaded every epoch",
    "scores smoothed",
    "AP by trapezoids",
    "all crops",
    "another ground truth",
)
NOT_KEPT = "scores of every epoch were not kept: train with --runtime.audit=on"
AS_IT_IS, ELSEWHERE = "scores as they are", "trained elsewhere: not known here"
SMOOTHED_BY = "next_7"


@dataclass(frozen=True)
class Step:
    """One habit.

    Attributes:
        value: the figure with it and all before; None where it could not be had, and `missing` says why.
        gain: what it adds, as fractions; low and high its interval at 95 %, None where there are no scores of both.
        habit: whether it is one: choosing on held-out videos is none.
        detail: which epoch, run or file.
    """

    name: str
    value: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    detail: str = ""
    missing: str = ""
    habit: bool = True


@dataclass(frozen=True)
class Audited:
    """All steps, the first of which is what the run has without any habit, and their sum with its interval."""

    metric: Headline
    steps: tuple[Step, ...]
    total: float
    low: float | None
    high: float | None

    @property
    def habits(self) -> float:
        """What the habits give together, as a fraction."""
        return sum(step.gain or 0.0 for step in self.steps if step.habit)


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


class Walk:
    """Walks from view to view and notes what each step adds; all intervals are of the same draws of videos."""

    def __init__(self, metric: Headline, resamples: int) -> None:
        self.metric, self.resamples = metric, resamples
        self.steps: list[Step] = []
        self.view: View | None = None
        self.draws: list[np.ndarray] = []
        self._of: set[int] = set()
        self._latest: tuple[View, np.ndarray] | None = None

    def begin(self, view: View, detail: str, name: str = LAST) -> None:
        self.view = view
        self.steps.append(Step(name, figure_of(view, self.metric), detail=detail, habit=False))

    def to(self, name: str, view: View | None, detail: str = "", *, missing: str = "", habit: bool = True) -> None:
        """Goes on to a view; without one the step is missing, and the walk stays where it is."""
        if view is None or self.view is None:
            self.steps.append(Step(name, missing=missing, habit=habit))
            return
        self.beside(name, self.view, view, detail, habit=habit)
        self.view = view

    def beside(self, name: str, before: View, after: View, detail: str = "", *, habit: bool = True) -> None:
        """A step between two views that need not be where the walk is."""
        gain = figure_of(after, self.metric) - figure_of(before, self.metric)
        low = high = None
        if self.resamples:
            begun = self._resampled(before)
            draws = self._resampled(after) - begun
            if before.trapezoid == after.trapezoid:
                low, high = _interval(draws)
            else:  # resampled videos tie with themselves, and between ties a trapezoid promises more
                draws = np.full_like(draws, gain)
            self.draws.append(draws)
            self._of.add(len(before.videos))
        value = [step.value for step in self.steps if step.value is not None][-1] + gain
        self.steps.append(Step(name, value, gain, low, high, detail, habit=habit))

    def result(self) -> Audited:
        total = sum(step.gain or 0.0 for step in self.steps)
        alike = len(self._of) == 1  # draws of fewer videos (a truth that lacks some) are others
        low, high = _interval(np.sum(self.draws, axis=0)) if alike else (None, None)
        return Audited(self.metric, tuple(self.steps), total, low, high)

    def _resampled(self, view: View) -> np.ndarray:
        """Exactly, since steps may be small; of the last view kept, for the next step begins there."""
        if self._latest is None or self._latest[0] is not view:
            weights = video_weights(len(view.videos), self.resamples)
            draws = exactly_resampled(view.videos, self.metric, weights, trapezoid=view.trapezoid)
            self._latest = view, draws
        return self._latest[1]


def _interval(draws: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """None where most resamples have no figure: too few videos."""
    known = draws[np.isfinite(draws)]
    if len(known) < max(1, len(draws) / 2):
        return None, None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def audit_run(
    material: Material, metric: Headline, resamples: int, truth: tuple[str, Mapping[str, np.ndarray]] | None = None
) -> Audited:
    """All steps on one run.

    Args:
        truth: another ground truth: what it is called, and frames by video.

    Raises UserError where not even the first figure can be had.
    """
    walk = Walk(metric, resamples)
    epoch = _begin(walk, material)
    epoch = _choose(walk, material, epoch)
    _reload(walk, material)
    assert walk.view is not None
    how = material.quirks.get("smoothing", "none")
    how = SMOOTHED_BY if how == "none" else how
    smooth = lambda view: replace(view, videos=tuple(smoothed(view.videos, how)))  # noqa: E731
    walk.to(SMOOTHING, smooth(walk.view), how)
    trapezoid = metric == "ap"
    walk.to(TRAPEZOIDS, replace(walk.view, trapezoid=True) if trapezoid else None, missing="AUC has no such form")
    _crops(walk, material, epoch, lambda view: replace(smooth(view), trapezoid=trapezoid))
    _truth(walk, truth)
    return walk.result()


def _begin(walk: Walk, material: Material) -> int | None:
    """The last epoch; what was trained elsewhere as it is."""
    if not material.trained_here:
        walk.begin(material.reported, "trained elsewhere", AS_IT_IS)
        return None
    last = material.epochs - 1
    if material.quirks.get("reload_best"):
        problem = "its weights were reloaded every epoch, so it has no epoch without that habit"
        raise UserError(
            material.folder.path, problem, fix="audit the run without quirks.reload_best; this one is read there"
        )
    view = material.at_epoch(last)
    sibling = None if view else material.sibling(select="last", smoothing="none", all_crops=False)
    if sibling:
        view = View(tuple(material.own(sibling)))
    if view is None:
        problem = "the scores of its last epoch, in one crop and not smoothed, are not here"
        raise UserError(material.folder.path, problem, expected="select: last, or runtime.audit: on", fix=NOT_KEPT)
    walk.begin(view, f"epoch {last + 1}" + (f", {sibling.path.name}" if sibling else ""))
    return last


def _choose(walk: Walk, material: Material, last: int | None) -> int | None:
    """The best epoch on held-out videos, then that on the test set; gives the epoch at which the walk then is."""
    if last is None:
        walk.to(HELD_OUT, None, missing=ELSEWHERE, habit=False)
        walk.to(TEST, None, missing=ELSEWHERE)
        return None
    at = last
    held_out = material.best_held_out(walk.metric)
    view = None if held_out is None else material.at_epoch(held_out)
    none = "no training videos were held out (data.validation_share)"
    said = f"epoch {held_out + 1}" if held_out is not None else ""
    walk.to(HELD_OUT, view, said, missing=none if held_out is None else NOT_KEPT, habit=False)
    at = held_out if view is not None and held_out is not None else at
    kept = [(epoch, view) for epoch in range(last + 1) if (view := material.at_epoch(epoch)) is not None]
    if len(kept) == last + 1:
        best = cast(int, first_best([figure_of(view, walk.metric) for _, view in kept]))
        walk.to(TEST, kept[best][1], f"epoch {best + 1}")
        return best
    chosen = material.folder if material.report["select"] == "best_test" and material.is_plain else None
    sibling = chosen or material.sibling(select="best_test", reload_best=False, smoothing="none", all_crops=False)
    view = View(tuple(material.own(sibling))) if sibling else None
    walk.to(TEST, view, sibling.path.name if sibling else "", missing=NOT_KEPT)
    return at if sibling is None else None


def _reload(walk: Walk, material: Material) -> None:
    if not material.trained_here:
        walk.to(RELOAD, None, missing=ELSEWHERE)
        return
    sibling = material.sibling(select="best_test", reload_best=True, smoothing="none", all_crops=False)
    walk.to(
        RELOAD,
        View(tuple(material.own(sibling))) if sibling else None,
        sibling.path.name if sibling else "",
        missing="needs a run of its own: --select=best_test --quirks.reload_best=on",
    )


def _crops(walk: Walk, material: Material, epoch: int | None, as_looked_at: Callable[[View], View]) -> None:
    """All crops against the tested one at the checkpoint that the run reports, both looked at as the walk is by now."""
    path, reported = crop_scores(material.folder), material.selected
    own = material.at_epoch(reported) if path.is_file() and reported is not None else None
    if own is None or reported is None:
        none = "the bank has one crop, or its other crops were not kept (--runtime.audit=on)"
        walk.to(CROPS, None, missing=none if material.trained_here else ELSEWHERE)
        return
    note = "" if reported == epoch else ", added as it is there"
    walk.beside(CROPS, as_looked_at(own), as_looked_at(View(tuple(material.read(path)))), f"epoch {reported + 1}{note}")


def _truth(walk: Walk, truth: tuple[str, Mapping[str, np.ndarray]] | None) -> None:
    if truth is None:
        walk.to(TRUTH, None, missing="none was given: --truth GT.npy")
        return
    assert walk.view is not None
    name, frames = truth
    there = [video for video in walk.view.videos if video.name in frames]
    lacking = len(walk.view.videos) - len(there)
    changed = tuple(replace(video, intervals=_intervals(frames[video.name])) for video in there)
    note = f"{name}, without {lacking} videos that it lacks" if lacking else name
    before = replace(walk.view, videos=tuple(there))
    walk.beside(TRUTH, before, replace(before, videos=changed), note)


def _intervals(frames: np.ndarray) -> tuple[tuple[int, int], ...]:
    borders = np.flatnonzero(np.diff(frames.astype(np.int8), prepend=0, append=0)).tolist()
    return tuple(pair for i, pair in enumerate(pairwise(borders)) if i % 2 == 0)
