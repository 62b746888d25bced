"""Hysteresis, held against a plain form that sees all scores at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.errors import UserError
from mmvad.live.alarms import AlarmState, Hysteresis, ScoredSnippet

LEVELS = st.lists(st.sampled_from([0.1, 0.4, 0.5, 0.6, 0.9]), max_size=30)


def snippets(scores: list[float], length: float = 0.5) -> list[ScoredSnippet]:
    return [ScoredSnippet(i * length, (i + 1) * length, score) for i, score in enumerate(scores)]


def plain(scores: list[float], on: float, off: float, shortest: float) -> list[tuple[float, float, float]]:
    """Every alarm's start, end and peak: stretches at or above `off` that hold a score of `on`, from that one on."""
    found, place = [], 0
    while place < len(scores):
        if scores[place] < on:
            place += 1
            continue
        end = next((i for i in range(place, len(scores)) if scores[i] < off), len(scores))
        if (end - place) * 0.5 >= shortest:
            found.append((place * 0.5, end * 0.5, max(scores[place:end])))
        place = end
    return found


@settings(max_examples=150, deadline=None)
@given(LEVELS, st.sampled_from([0.0, 0.5, 1.0, 1.5]), st.integers(1, 7))
def test_alarms_are_those_of_the_plain_form_however_scores_come(scores: list[float], shortest: float, by: int) -> None:
    state, found = AlarmState(Hysteresis(0.6, 0.5, shortest)), []
    for start in range(0, len(scores), by):
        found += state.take(snippets(scores)[start : start + by])
    found += state.close()
    ended = [(a.start, a.end, a.peak) for a in found if not a.open]
    assert ended == plain(scores, 0.6, 0.5, shortest)
    assert [a.open for a in found] == [True, False] * len(ended), "each is raised once, before it ends"
    assert [a.number for a in found if a.open] == list(range(1, len(ended) + 1))
    assert all(a.end - a.start >= shortest for a in found if a.open)


def test_an_alarm_has_the_class_that_was_most_probable_in_it() -> None:
    state = AlarmState(Hysteresis(0.5, 0.4), raised=7)
    parts = [("fight", 0.5, 0.9), (None, None, 1.0), ("shot", 0.8, 0.6), ("fight", 0.7, 0.5)]
    for i, (label, probability, score) in enumerate(parts):
        state.take([ScoredSnippet(i, i + 1, score, label, probability)])
    (alarm,) = state.close()
    assert (alarm.number, alarm.label, alarm.probability, alarm.peak) == (8, "shot", 0.8, 1.0)


@pytest.mark.parametrize(("on", "off", "named"), [(0.0, 0.0, "--on"), (1.2, 0.5, "--on"), (0.5, 0.6, "--off")])
def test_thresholds_that_make_no_sense_are_refused(on: float, off: float, named: str) -> None:
    with pytest.raises(UserError, match=named):
        Hysteresis(on, off)
