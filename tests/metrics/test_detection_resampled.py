"""mAP over resamples: the figure itself where every video is drawn once, and near that of the drawn videos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmvad.metrics.bootstrap import video_weights
from mmvad.metrics.detection import VARIANTS, detection_map
from mmvad.metrics.detection_resampled import resampled_map
from mmvad.metrics.evaluate import detection_videos
from tests.metrics.test_evaluate import BENCHMARK, made_video


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_video_once_is_the_figure_itself(variant: str) -> None:
    videos = detection_videos(BENCHMARK, [made_video(i) for i in range(12)])
    found = resampled_map(BENCHMARK, videos, np.ones((1, 12)))[variant][0]
    assert found.tolist() == pytest.approx([value.value for value in detection_map(BENCHMARK, videos)[variant].values])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_video_left_out_or_drawn_again(variant: str) -> None:
    """Leaving out is exact. Copies have one rank here and follow each other there, which moves little."""
    videos = detection_videos(BENCHMARK, [made_video(i) for i in range(12)])
    rows = np.ones((4, 12))
    for left_out in range(4):
        rows[left_out, left_out] = 0
    weights = np.concatenate([rows, video_weights(12, 6)])
    found = resampled_map(BENCHMARK, videos, weights)[variant]
    for i, row in enumerate(weights.astype(int)):
        drawn = [replace(v, name=f"{v.name}-{k}") for v, times in zip(videos, row) for k in range(times)]
        wanted = [value.value for value in detection_map(BENCHMARK, drawn)[variant].values]
        assert found[i].tolist() == pytest.approx(wanted, abs=1e-12 if i < 4 else 0.05)
