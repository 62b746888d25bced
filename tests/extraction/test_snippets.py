"""Which frames stand for a snippet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmvad.extraction.snippets import Snippets


@dataclass(frozen=True)
class Still:
    seconds: float
    duration: float = 0.04

    def rgb(self) -> np.ndarray:
        return np.zeros((2, 2, 3), dtype=np.uint8)


@given(st.integers(0, 100))
def test_every_snippet_has_one_centre_and_shares_that_sum_to_one(count: int) -> None:
    frames = [Still(0.04 * i) for i in range(count)]
    whole = -(-count // 16)
    centre = Snippets("centre")
    picked = list(centre.pick(frames))
    assert [sample.snippet for sample in picked] == list(range(whole))
    assert [sample.shown for sample in picked] == [frames[min(16 * i + 8, count - 1)] for i in range(whole)]
    mean = Snippets("mean")
    samples = list(mean.pick(frames))
    assert [sample.shown for sample in samples] == frames
    for snippet in range(whole):
        assert sum(s.share for s in samples if s.snippet == snippet) == 1
    for kept in (centre, mean):
        assert kept.frames == count
        assert kept.starts == [frame.seconds for frame in frames[::16]]
        if count:
            assert kept.boundaries()[-1] == frames[-1].seconds + 0.04


def test_it_looks_no_further_than_it_must() -> None:
    """The centre is given before the snippet's end is decoded: no frames pile up."""
    seen = []

    def frames():  # type: ignore[no-untyped-def]
        for i in range(10_000):
            seen.append(i)
            yield Still(i / 25)

    next(Snippets("centre").pick(frames()))
    assert len(seen) == 9
