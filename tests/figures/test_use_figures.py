"""Pictures of a score in use show the figures that the report has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.registry import PLANTED
from mmvad.figures.run_figures import COLOURS
from mmvad.figures.use_figures import use_figures
from mmvad.metrics.measures import measures
from mmvad.metrics.scored_video import ScoredVideo
from tests.tables.made_up import scored


def test_the_curves_go_through_the_reports_figures(results_bank: Path) -> None:
    videos = scored(results_bank, 2.0, 0)
    figures, known = use_figures(PLANTED, videos, COLOURS), measures(PLANTED, videos)["combined"]
    found = {line.get_label(): line for line in figures["alarms"].axes[0].get_lines()}["combined"]
    limits, shares = found.get_xdata(), found.get_ydata()
    at_10 = np.searchsorted(np.asarray(limits), 1, side="right") - 1
    assert np.asarray(shares)[at_10] <= 100 * known["found_at_10"] <= np.asarray(shares)[at_10 + 1]
    assert (np.diff(np.asarray(shares)) >= 0).all()
    labels = [line.get_label() for line in figures["reliability"].axes[0].get_lines()]
    assert f"combined (ECE {100 * known['ece']:.1f})" in labels


@pytest.mark.parametrize("scores", [[5.0, -3.0], [0.2, 0.2]])
def test_without_events_or_probabilities_there_are_fewer(scores: list[float]) -> None:
    normal = ScoredVideo("n", ("normal",), (), (), np.array(scores), None)
    assert [*use_figures(PLANTED, [normal], COLOURS)] == (["reliability"] if scores[0] < 1 else [])
