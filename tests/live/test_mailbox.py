"""Between the reader and the scorer: bounded, whichever is the slower."""

from __future__ import annotations

import threading

from mmvad.live.mailbox import Mailbox


def test_the_oldest_goes_and_what_must_not_go_stays() -> None:
    box: Mailbox[str] = Mailbox(2, drop=True)
    box.put("begun")
    for name in ("a", "b", "c", "d"):
        box.put(name, droppable=True)
    box.put("ended")
    assert box.take_dropped() == 2
    assert box.take_dropped() == 0
    assert box.take(10, 0) == ["begun", "c", "d", "ended"]
    assert box.take(10, 0) == []


def test_without_dropping_the_reader_waits_and_nothing_is_lost() -> None:
    box: Mailbox[int] = Mailbox(3, drop=False)
    highest = [0]

    def fill() -> None:
        for number in range(50):
            box.put(number, droppable=True)
            highest[0] = number

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    found: list[int] = []
    while len(found) < 50:
        found += box.take(2, 1.0)
        assert highest[0] <= len(found) + 3
    thread.join(5)
    assert found == list(range(50))
    assert box.take_dropped() == 0


def test_a_reader_that_waits_for_room_is_let_go() -> None:
    box: Mailbox[int] = Mailbox(1, drop=False)
    box.put(1, droppable=True)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(box.put(2, droppable=True)), daemon=True)
    thread.start()
    box.close()
    thread.join(5)
    assert answers == [False]
