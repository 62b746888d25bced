"""What is said of what goes wrong again and again."""

from __future__ import annotations

from mmvad.live.telling import EVERY_SECONDS, Teller


def test_what_comes_often_is_a_line_now_and_then_with_its_count() -> None:
    said: list[str] = []
    clock = [0.0]
    teller = Teller(said.append, lambda: clock[0])
    for second in range(25):
        clock[0] = float(second)
        teller.count("damaged", 2)
    teller.say("lost")
    teller.rest()
    assert said == ["damaged: 2", "damaged: 20", "damaged: 20", "lost", "damaged: 8"]
    assert EVERY_SECONDS == 10.0
