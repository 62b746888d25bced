"""Figures of one run on test sets that lack a kind of frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.metrics.evaluate import ScoredVideo
from mmvad.report.figures import FRAME_CURVES, draw_frame_curve


@pytest.mark.parametrize("kind", FRAME_CURVES)
@pytest.mark.parametrize("intervals", [((0, 64),), ()])
def test_frames_of_one_kind_give_an_empty_figure(
    intervals: tuple[tuple[int, int], ...], kind: str, tmp_path: Path
) -> None:
    coarse = np.linspace(0.1, 0.9, 4, dtype=np.float32)
    video = ScoredVideo("v", ("Fight",), (), intervals, coarse, None)
    assert draw_frame_curve(tmp_path / "curve.png", [video], FRAME_CURVES[kind]).stat().st_size > 0
