"""Which chunks a score may see, against its definition: today's chunks of the video as if it had ended there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.data.look_ahead import NO_LIMIT, Span, holding, joined, ready, views, windows
from mmvad.data.segments import Chunk, chunks
from tests.plain.online import plain_scores

LENGTHS = st.integers(1, 40)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    length = draw(st.integers(1, 12))
    return Span(length, draw(st.integers(0, length - 1)), draw(st.integers(NO_LIMIT, 15)))


@settings(max_examples=200, deadline=None)
@given(LENGTHS, spans())
def test_the_chunks_that_hold_a_snippet_are_those_of_all_chunks_that_do(n: int, span: Span) -> None:
    assert span.length is not None
    every = chunks([n], span.length, span.overlap)
    for t in range(n):
        assert holding(t, n, span) == tuple(c for c in every if c.start <= t < c.start + c.length)


@settings(max_examples=200, deadline=None)
@given(LENGTHS, spans())
def test_scores_are_those_of_the_video_as_if_it_had_ended_there(n: int, span: Span) -> None:
    def scores(chunk: Chunk) -> np.ndarray:  # other ones for every chunk, cut or not
        return np.random.default_rng([chunk.start, chunk.length]).random(chunk.length)

    found = np.concatenate([joined(view, scores, span.overlap) for view in views(range(n), n, span)])
    np.testing.assert_allclose(found, plain_scores(n, span, scores), rtol=1e-6)


@pytest.mark.parametrize("overlap", [0, 3])
def test_from_a_chunk_less_one_on_there_is_no_limit(overlap: int) -> None:
    for n in range(1, 30):
        limited, unlimited = Span(8, overlap, 7), Span(8, overlap)
        assert [*views(range(n), n, limited)] == [*views(range(n), n, unlimited)]


@settings(max_examples=100, deadline=None)
@given(LENGTHS, spans(), st.data())
def test_a_snippet_that_is_ready_does_not_see_what_comes_later(n: int, span: Span, data: st.DataObject) -> None:
    t = data.draw(st.integers(0, n - 1))
    needed = ready(t, span)
    assert needed is not None
    (early,), (late,) = ([*views(range(t, t + 1), seen, span)] for seen in (needed, needed + n))
    assert early == late
    assert all(chunk.start + chunk.length <= needed for chunk in early.chunks)
    if span.look_ahead >= 0:
        assert needed <= t + span.look_ahead + 1


def test_with_an_overlap_no_score_lacks_a_past() -> None:
    """A chunk counts only once as many of its snippets are there as it shares."""
    for view in views(range(8, 60), 60, Span(8, 3, 0)):
        assert view.first - view.chunks[0].start >= 3


def test_whole_videos() -> None:
    assert [*views(range(3), 3, Span(None))] == [(0, 3, (Chunk(0, 0, 3),))]
    assert [view.chunks[0].length for view in views(range(5), 5, Span(None, 0, 2))] == [3, 4, 5]
    assert windows([4, 2], Span(None, 0, 1)) == [Chunk(0, 0, n) for n in (2, 3, 4)] + [Chunk(1, 0, 2)]


def test_windows_without_a_limit_are_the_chunks() -> None:
    assert windows([50, 7, 16], Span(16, 4)) == chunks([50, 7, 16], 16, 4)
