"""What each step of an audit adds: its figure, its gain over the step before, and the interval of the gain.

All intervals are of the same draws of test videos, so gains and their sum are of one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmvad.errors import UserError
from mmvad.metrics.bootstrap import LEVEL, Headline, exactly_resampled, video_weights
from mmvad.report.audit_chain import Stage, Truth, stages
from mmvad.report.audit_material import Material, View, figure_of


@dataclass(frozen=True)
class Step:
    """One step, as fractions.

    Attributes:
        value: the figure with it and all steps before; None where it could not be taken, and `missing` says why.
        gain: what it adds. Without a value it was measured elsewhere than in the chain, and is not in the sum.
        low, high: its interval at 95 %; None where there is none.
        detail: which epoch, run or file.
        habit: whether it is one: choosing on held-out videos is none.
        applies: whether the run could have it at all: AUC has no trapezoids, one epoch no best one.
    """

    name: str
    value: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    detail: str = ""
    missing: str = ""
    habit: bool = True
    applies: bool = True

    @property
    def unknown(self) -> bool:
        """Whether the run could have it, and what it adds is not known."""
        return self.applies and self.value is None and self.gain is None


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
        """What the habits of the chain give together, as a fraction."""
        return sum(step.gain for step in self.steps if step.habit and step.value is not None and step.gain is not None)


class Looked(NamedTuple):
    """A view with its figure over all its videos, and over resamples [R] of the run's test videos."""

    view: View
    value: float
    draws: np.ndarray


def audit_run(material: Material, metric: Headline, resamples: int, truth: Truth | None = None) -> Audited:
    """All steps on one run. Raises UserError where not even the first figure can be had."""
    return measured(stages(material, metric, truth), metric, resamples)


def measured(chain: Sequence[Stage], metric: Headline, resamples: int) -> Audited:
    """The steps from stage to stage, the first of which has a view; without intervals for a single test video."""
    begun = chain[0].view
    assert begun is not None
    resamples = resamples if len(begun.videos) > 1 else 0
    weights = video_weights(len(begun.videos), resamples)
    column = {video.name: i for i, video in enumerate(begun.videos)}

    def look(view: View) -> Looked:
        own = weights[:, [column[video.name] for video in view.videos]]
        draws = exactly_resampled(view.videos, metric, own, trapezoid=view.trapezoid)
        return Looked(view, figure_of(view, metric), draws)

    at = first = look(begun)
    steps, gains = [Step(chain[0].name, at.value, detail=chain[0].detail, habit=False)], np.zeros(resamples)
    for stage in chain[1:]:
        if stage.view is None:
            aside = _gain(look(stage.aside[0]), look(stage.aside[1]))[:3] if stage.aside else (None, None, None)
            steps.append(_step(stage, None, *aside))
            continue
        after = _looked(look, stage)
        gain, low, high, draws = _gain(at, after)
        steps.append(_step(stage, after.value, gain, low, high))
        at, gains = after, gains + draws
    return Audited(metric, tuple(steps), at.value - first.value, *_interval(gains))


def _looked(look: Callable[[View], Looked], stage: Stage) -> Looked:
    """Raises UserError, naming the step, where it leaves frames of one kind alone."""
    assert stage.view is not None
    try:
        return look(stage.view)
    except UserError as error:
        where = f"{stage.name}{f' ({stage.detail})' if stage.detail else ''}"
        raise UserError(where, error.problem, expected=error.expected, fix=error.fix) from None


def _gain(before: Looked, after: Looked) -> tuple[float, float | None, float | None, np.ndarray]:
    """What `after` adds, its interval, and its resamples.

    Another form of AP has no interval: resampled videos tie with themselves, and between ties a trapezoid promises
    more.
    """
    gain = after.value - before.value
    if before.view.trapezoid != after.view.trapezoid:
        return gain, None, None, np.full_like(after.draws, gain)
    draws = after.draws - before.draws
    return gain, *_interval(draws), draws


def _step(stage: Stage, value: float | None, gain: float | None, low: float | None, high: float | None) -> Step:
    return Step(stage.name, value, gain, low, high, stage.detail, stage.missing, stage.habit, stage.applies)


def _interval(draws: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """None where most resamples have no figure: too few videos."""
    known = draws[np.isfinite(draws)]
    if len(known) < max(2, len(draws) / 2):
        return None, None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
