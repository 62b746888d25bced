"""The frame metrics of a report, each stated once.

A metric is a function of a curve and a line in `FRAME_METRICS`, which reports, tables, the terminal and sweeps read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmvad.metrics.frame import Curve, MetricValue, average_precision, roc_auc, trapezoid_precision

CurveFunction = Callable[[Curve], MetricValue]


@dataclass(frozen=True)
class FrameMetric:
    """One figure of a score.

    Attributes:
        name: its key in `report.json`, and in a sweep's `metric: {name: test/NAME}`.
        heading: its column's heading in tables and on the terminal.
        of: its value on a curve.
        trapezoid: its value under `quirks.trapezoid_ap`, where that differs.
        abnormal_only: over the abnormal videos alone, and so not class by class either.
        in_tables: a further column in every table of runs at frame level; the paper's own columns stand there anyway.
    """

    name: str
    heading: str
    of: CurveFunction
    trapezoid: CurveFunction | None = None
    abnormal_only: bool = False
    in_tables: bool = False

    def value(self, curve: Curve, *, trapezoid: bool) -> MetricValue:
        """The metric on a curve, by trapezoids where it has such a form and that is asked for."""
        return (self.trapezoid if trapezoid and self.trapezoid else self.of)(curve)


FRAME_METRICS = (
    FrameMetric("ap", "AP", average_precision, trapezoid=trapezoid_precision),
    FrameMetric("auc", "AUC", roc_auc),
    FrameMetric("ano_auc", "Ano-AUC", roc_auc, abnormal_only=True),
    FrameMetric("ano_ap", "Ano-AP", average_precision, trapezoid=trapezoid_precision, abnormal_only=True),
)
CLASS_METRICS = tuple(metric for metric in FRAME_METRICS if not metric.abnormal_only)
"""The metrics that every abnormal class has as well, over its own videos and the normal ones."""
HEADINGS = {metric.name: metric.heading for metric in FRAME_METRICS}
