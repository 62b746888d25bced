"""Which packets begin a new part, and by how much the parts are moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mmvad.extraction.timestamps import Move, Stamp, Steady, moves, moves_behind_holes, seconds_later


def stamps(stream: int, *times: float) -> list[Stamp]:
    return [Stamp(stream, time, time, 0.5) for time in times]


@given(some.lists(some.floats(0, 100), max_size=30), some.lists(some.floats(0, 0.9), min_size=30, max_size=30))
def test_stamps_that_rise_move_nothing(times: list[float], late: list[float]) -> None:
    """Nor do those that are shuffled by less than a second."""
    assert moves(stamps(0, *(time + by for time, by in zip(sorted(times), late)))) == {}


def test_all_streams_of_a_part_are_moved_alike() -> None:
    picture, sound = [*range(10)] * 3, [0.25 + t for t in range(10)] * 3
    found = moves([s for pair in zip(stamps(0, *picture), stamps(1, *sound)) for s in pair])
    assert found == {0: [Move(10, 9.75), Move(20, 19.5)], 1: [Move(10, 9.75), Move(20, 19.5)]}
    assert [seconds_later(found[0], n) for n in (0, 9, 10, 19, 20, 99)] == [0, 0, 9.75, 9.75, 19.5, 19.5]


def test_one_damaged_stamp_is_no_part() -> None:
    assert moves(stamps(0, 0, 1, 2, 3, 0, 4, 5, 2, 6, 7)) == {}


def test_a_stream_that_begins_again_alone_goes_on_where_it_ended() -> None:
    found = moves([*stamps(0, *range(40)), *stamps(1, *range(20), *range(20))])
    assert found == {1: [Move(20, 19.5)]}


def test_packets_without_stamps_are_counted() -> None:
    found = moves([*stamps(0, 0, 1, 2, 3), Stamp(0, None, None, 0.5), *stamps(0, 0, 1, 2)])
    assert found[0][0].packet == 5
    assert found[0][0].seconds == pytest.approx(3.5)


def test_a_pause_is_no_part_and_a_stamp_that_leaps_alone_moves_nothing() -> None:
    assert moves(stamps(0, 0, 1, 2, 50, 51, 52)) == {}
    assert moves(stamps(0, 0, 0.5, 1, 500, 2, 2.5)) == {}


def test_a_stream_that_is_silent_in_the_first_part_lies_in_the_second() -> None:
    found = moves([*stamps(0, *range(10)), *stamps(0, 0), *stamps(1, 0), *stamps(0, *range(1, 10)), *stamps(1, 1, 2)])
    assert found == {0: [Move(10, 9.5)], 1: [Move(0, 9.5)]}


def mended(*times: float | None) -> tuple[list[float | None], int]:
    steady = Steady()
    return [time for time, _, _ in steady.through((time, 1.0, None) for time in times)], steady.jumps


@given(some.lists(some.tuples(some.floats(0, 90_000), some.floats(0, 5)), max_size=30))
def test_stamps_that_rise_pass_whatever_their_durations_say(timed: list[tuple[float, float]]) -> None:
    """Of a variable rate durations belong to other frames, where decoding has another order than showing."""
    steady, times = Steady(), sorted(time for time, _ in timed)
    found = steady.through((time, duration, None) for time, (_, duration) in zip(times, timed))
    assert [time for time, _, _ in found] == times
    assert steady.jumps == 0


@pytest.mark.parametrize(
    ("times", "wanted", "jumps"),
    [
        ((0, 1, None, 3), [0, 1, None, 3], 0),
        ((0, 1, 700, 3, 4), [0, 1, None, 3, 4], 1),
        ((5, 6, 0, 8, 9), [5, 6, None, 8, 9], 1),
        ((0, 1, 2, 3, 0, 1, 2), [0, 1, 2, 3, 4, 5, 6], 1),
        ((0, 1, 1e9, 1e9 + 1, 4, 5), [0, 1, 2, 3, 4, 5], 2),
        ((-1e6, -1e6 + 1, -1e6 + 2), [0, 1, 2], 1),
        ((12, 13, 60, 61), [12, 13, 60, 61], 0),
    ],
)
def test_stamps_that_cannot_be_are_mended(times: tuple[float | None, ...], wanted: list, jumps: int) -> None:
    assert mended(*times) == (wanted, jumps)


def test_chunks_behind_a_hole_are_due_by_the_index() -> None:
    index = [(100 * i, 2 * i) for i in range(10)]
    whole = [(100 * i, i) for i in range(10)]
    assert moves_behind_holes(index, whole) == []
    assert moves_behind_holes([], whole) == moves_behind_holes(index, []) == []
    assert moves_behind_holes(index[::3], whole) == []  # an index of key frames alone
    left = [(100 * place, number) for number, place in enumerate([0, 1, 2, 5, 6, 9])]
    assert moves_behind_holes(index, left) == [(3, 2), (5, 4)]
