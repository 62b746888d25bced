"""Which packets begin a new part, and by how much the parts are moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mmvad.extraction.timestamps import Move, Stamp, moves, seconds_later


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
