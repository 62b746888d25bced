"""Random test sets whose rows stand for different numbers of frames, and the same as lists of frames."""

from __future__ import annotations

import numpy as np

from mmvad.benchmarks.timeline import frame_truth
from mmvad.metrics.evaluate import frame_scores
from mmvad.metrics.scored_video import ScoredVideo
from tests.metrics.field import tiny_benchmark
from tests.plain.measures import PlainVideo

BENCHMARK = tiny_benchmark(("N", "A"), normal_events=False)


def random_videos(seed: int, videos: int = 8, levels: int = 12, rows: int = 20) -> list[ScoredVideo]:
    """Every second one normal; scores in few levels, so that there are ties; events that overlap or pass the end."""
    draw = np.random.default_rng(seed)
    made = []
    for i in range(videos):
        n = int(draw.integers(1, rows))
        edges = np.concatenate([[0], np.cumsum(draw.integers(1, 5, n))])
        end = int(edges[-1])
        starts = draw.integers(0, end, int(draw.integers(1, 4)))
        intervals = tuple((int(s), int(s + draw.integers(1, max(end // 2, 2) + 3))) for s in starts) if i % 2 else ()
        scores = draw.integers(0, levels, n) / (levels - 1)
        label = ("A",) if i % 2 else ("N",)
        made.append(ScoredVideo(f"v{i:02d}", label, (), intervals, scores, None, edges=edges, fps=2.0 + i % 3))
    return made


def plain(videos: list[ScoredVideo]) -> list[PlainVideo]:
    return [
        PlainVideo(
            np.repeat(frame_scores([v])["combined"], v.row_frames).tolist(),
            frame_truth(v.intervals, int(v.frame_edges[-1])).tolist(),
            float(v.fps or 24.0),
            v.labels == ("N",),
        )
        for v in videos
    ]
