"""What is said of gaps, by the times alone."""

from __future__ import annotations

import numpy as np
import pytest

from mmvad.extraction.missing import FrameSteps, Gaps, said_late


def said_of(times: np.ndarray) -> list[str]:
    steps = FrameSteps()
    for second in times:
        steps.take(float(second))
    return list(steps.gaps().said("picture"))


@pytest.mark.parametrize("rate", [1, 5, 23.976, 25, 30, 60, 120])
def test_lost_frames_of_a_regular_video(rate: float) -> None:
    times = np.arange(200) / rate
    assert said_of(times) == []
    assert said_of(np.round(times, 3)) == []  # as MKV keeps them
    lost = max(4, round(0.15 * rate))
    begin, end = times[50], times[50 + lost]
    assert said_of(np.delete(times, slice(50, 50 + lost))) == [f"no picture from {begin:.2f} to {end:.2f} s"]


def test_several_gaps_are_one_line() -> None:
    times = np.delete(np.arange(300) / 25, [*range(30, 40), *range(100, 125), *range(200, 210)])
    assert said_of(times) == ["no picture in 3 places, 1.80 s in all, the longest from 4.00 to 5.00 s"]


def test_nothing_can_be_told_of_a_variable_rate() -> None:
    draw = np.random.default_rng(0)
    assert said_of(np.cumsum(draw.choice([1 / 60, 1 / 15, 0.5, 3], 300))) == []
    assert said_of(np.array([])) == said_of(np.array([0.0])) == []


def test_a_frame_that_a_phone_leaves_out_is_no_gap() -> None:
    assert said_of(np.delete(np.arange(300) / 30, [50, 51, 120, 200])) == []


def test_sound() -> None:
    gaps = Gaps()
    gaps.add(1.0, 1.06)
    assert list(gaps.said("sound")) == []
    gaps.add(2.0, 4.5)
    assert list(gaps.said("sound", ": silence there")) == ["no sound from 2.00 to 4.50 s: silence there"]
    assert list(said_late("sound", 0.5)) == []
    assert list(said_late("sound", 12, ": silence before")) == ["the sound begins at 12.00 s: silence before"]
