from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmvad.benchmarks.benchmark import frame_truth, snippet_seconds

SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 200)).map(lambda p: (p[0], p[0] + p[1])), max_size=6)


@given(SPANS, st.integers(1, 12))
def test_frame_truth_is_the_union_cut_to_the_video(intervals: list[tuple[int, int]], snippets: int) -> None:
    truth = frame_truth(intervals, snippets)
    assert truth.shape == (16 * snippets,)
    assert truth.tolist() == [any(start <= t < end for start, end in intervals) for t in range(16 * snippets)]


def test_a_snippet_begins_after_its_frames() -> None:
    assert snippet_seconds(3, 24.0) == 2.0
