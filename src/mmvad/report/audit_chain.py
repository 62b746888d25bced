"""The steps of an audit as what they look at: one habit of the field after the other, each on top of those before it.

A run is reported at its last epoch, in one crop, not smoothed, with AP in the step form. Public figures often are not:
the epoch is chosen on the test set, its weights are reloaded, scores are smoothed, AP is a sum of trapezoids, crops are
averaged, another ground truth is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from mmvad.errors import UserError
from mmvad.metrics.bootstrap import Headline
from mmvad.metrics.postprocessing import smoothed
from mmvad.report.audit_material import Material, View, figure_of, first_best
from mmvad.runs import RunFolder, crop_scores

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
ONE_EPOCH = "does not apply: the run has one epoch"
ONE_CROP = "does not apply: the bank has one crop"
NO_TRAPEZOIDS = "does not apply: AUC has no such form"
SMOOTHED_BY = "next_7"


@dataclass(frozen=True)
class Stage:
    """One step, not measured yet.

    Attributes:
        view: what is looked at once it is taken; None where it cannot be, and `missing` says why.
        aside: without a view, two others that show what the step adds somewhere else.
        detail, missing, habit, applies: as a `Step` has them.
    """

    name: str
    view: View | None = None
    detail: str = ""
    missing: str = ""
    habit: bool = True
    applies: bool = True
    aside: tuple[View, View] | None = None


class At(NamedTuple):
    """Where the chain is: what it looks at, and the run whose reported checkpoint that is, where it is one's."""

    view: View
    run: RunFolder | None = None


Truth = tuple[str, Mapping[str, np.ndarray]]
"""Another ground truth: what it is called, and frames by video."""


def stages(material: Material, metric: Headline, truth: Truth | None = None) -> list[Stage]:
    """Every step that there is, in order; the first has a view.

    Raises UserError where not even the first can be looked at.
    """
    begun, at = _begin(material) if material.trained_here else _as_it_is(material)
    chosen, at = _chosen(material, metric, at)
    how = material.quirks.get("smoothing", "none")
    how = SMOOTHED_BY if how == "none" else how
    smooth = replace(at.view, videos=tuple(smoothed(at.view.videos, how)))
    summed = replace(smooth, trapezoid=metric == "ap")
    form = Stage(TRAPEZOIDS, summed) if summed.trapezoid else _not_applying(TRAPEZOIDS, NO_TRAPEZOIDS)
    crops = _crops(material, at, lambda view: replace(summed, videos=tuple(smoothed(view.videos, how))))
    return [begun, *chosen, Stage(SMOOTHING, smooth, how), form, crops, _truth(crops.view or summed, truth)]


def _not_applying(name: str, why: str) -> Stage:
    return Stage(name, missing=why, habit=name != HELD_OUT, applies=False)


def _as_it_is(material: Material) -> tuple[Stage, At]:
    view = material.reported
    return Stage(AS_IT_IS, view, "trained elsewhere", habit=False), At(view, material.folder)


def _begin(material: Material) -> tuple[Stage, At]:
    """The last epoch, in one crop and not smoothed: the run's own, or that of a run beside it."""
    if material.quirks.get("reload_best"):
        problem = "its weights were reloaded every epoch, so it has no epoch without that habit"
        raise UserError(
            material.folder.path, problem, fix="audit the run without quirks.reload_best; this one is read there"
        )
    last = material.epochs - 1
    view, run = material.at_epoch(last), material.reporting(last)
    sibling = None if view else material.sibling(select="last", smoothing="none", all_crops=False)
    if sibling:
        view, run = View(tuple(material.own(sibling))), sibling
    if view is None:
        problem = "the scores of its last epoch, in one crop and not smoothed, are not here"
        raise UserError(material.folder.path, problem, expected="select: last, or runtime.audit: on", fix=NOT_KEPT)
    return Stage(LAST, view, f"epoch {last + 1}" + (f", {sibling.name}" if sibling else "")), At(view, run)


def _chosen(material: Material, metric: Headline, at: At) -> tuple[list[Stage], At]:
    """The best epoch on held-out videos, that on the test set, and that with weights reloaded; where the chain then is.

    Of a single epoch there is none to choose.
    """
    if material.trained_here and material.epochs == 1:
        return [_not_applying(name, ONE_EPOCH) for name in (HELD_OUT, TEST, RELOAD)], at
    found = []
    for take in (_held_out, _best_on_test, _reloaded):
        stage, run = take(material, metric)
        found.append(stage)
        at = At(stage.view, run) if stage.view else at
    return found, at


def _held_out(material: Material, metric: Headline) -> tuple[Stage, RunFolder | None]:
    epoch = material.best_held_out(metric)
    if not material.trained_here or epoch is None:
        none = "no training videos were held out (data.validation_share)" if material.trained_here else ELSEWHERE
        return Stage(HELD_OUT, missing=none, habit=False), None
    stage = Stage(HELD_OUT, material.at_epoch(epoch), f"epoch {epoch + 1}", NOT_KEPT, habit=False)
    return stage, material.reporting(epoch)


def _best_on_test(material: Material, metric: Headline) -> tuple[Stage, RunFolder | None]:
    """From the scores of all epochs; without them from a run whose checkpoint was chosen so."""
    if not material.trained_here:
        return Stage(TEST, missing=ELSEWHERE), None
    kept = [view for epoch in range(material.epochs) if (view := material.at_epoch(epoch)) is not None]
    if len(kept) == material.epochs:
        best = cast(int, first_best([figure_of(view, metric) for view in kept]))
        return Stage(TEST, kept[best], f"epoch {best + 1}"), material.reporting(best)
    own = material.folder if material.report["select"] == "best_test" and material.is_plain else None
    return _of_run(TEST, material, own or material.sibling(select="best_test", **_PLAIN), NOT_KEPT)


_PLAIN = {"reload_best": False, "smoothing": "none", "all_crops": False}


def _reloaded(material: Material, metric: Headline) -> tuple[Stage, RunFolder | None]:
    if not material.trained_here:
        return Stage(RELOAD, missing=ELSEWHERE), None
    missing = "needs a run of its own: --select=best_test --quirks.reload_best=on"
    return _of_run(RELOAD, material, material.sibling(select="best_test", **{**_PLAIN, "reload_best": True}), missing)


def _of_run(name: str, material: Material, run: RunFolder | None, missing: str) -> tuple[Stage, RunFolder | None]:
    """A step to what a run reports; one beside it whose scores are damaged costs its step alone."""
    if run is None:
        return Stage(name, missing=missing), None
    try:
        return Stage(name, View(tuple(material.own(run))), run.name), run
    except UserError as error:
        return Stage(name, missing=f"of {run.name}: {Path(str(error.where)).name} {error.problem}"), None


def _crops(material: Material, at: At, as_looked_at: Callable[[View], View]) -> Stage:
    """All crops at the very checkpoint that the chain is at; where they were not kept of it, aside at another one."""
    if at.run and crop_scores(at.run).is_file():
        return Stage(CROPS, as_looked_at(View(tuple(material.read(crop_scores(at.run))))))
    path, reported = crop_scores(material.folder), material.selected
    own = material.at_epoch(reported) if path.is_file() and reported is not None else None
    if own is None or reported is None:
        none = "its other crops were not kept (--runtime.audit=on)" if material.trained_here else ELSEWHERE
        return _not_applying(CROPS, ONE_CROP) if material.crops == 1 else Stage(CROPS, missing=none)
    aside = as_looked_at(own), as_looked_at(View(tuple(material.read(path))))
    return Stage(CROPS, missing=f"at epoch {reported + 1}, the one that they were kept of; not in the sum", aside=aside)


def _truth(view: View, truth: Truth | None) -> Stage:
    """The same scores by another ground truth, without the videos that it lacks."""
    if truth is None:
        return Stage(TRUTH, missing="none was given: --truth GT.npy")
    name, frames = truth
    there = [video for video in view.videos if video.name in frames]
    lacking = len(view.videos) - len(there)
    changed = tuple(replace(video, intervals=_intervals(frames[video.name])) for video in there)
    without = f", without {lacking} video{'s' * (lacking > 1)} that it lacks" if lacking else ""
    return Stage(TRUTH, replace(view, videos=changed), f"{name}{without}")


def _intervals(frames: np.ndarray) -> tuple[tuple[int, int], ...]:
    borders = np.flatnonzero(np.diff(frames.astype(np.int8), prepend=0, append=0)).tolist()
    return tuple(pair for i, pair in enumerate(pairwise(borders)) if i % 2 == 0)
