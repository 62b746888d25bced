"""The page: what it shows, to whom."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("av", reason="the extra `video` is not installed")

import av

from mmvad.errors import UserError
from mmvad.extraction.media import Picture
from mmvad.live.page import Page, PageState, page_address

SCORE = {"event": "score", "start": 0.0, "end": 0.64, "score": 0.123456789}
ALARM = {"event": "alarm", "alarm": 1, "start": 0.0, "end": 0.64, "peak": 0.9}


@pytest.fixture
def state() -> PageState:
    state = PageState("rtsp://camera/<script>", 0.5, 0.4)
    state.score(SCORE)
    state.alarm(ALARM)
    state.alarm({**ALARM, "event": "alarm_end"})
    state.note("lost <b>")
    return state


@pytest.fixture
def page(state: PageState) -> Iterator[Page]:
    page = Page(("127.0.0.1", 0), state)
    yield page
    page.close()


def got(page: Page, path: str, host: str = "127.0.0.1", verb: str = "GET") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", urlsplit(page.url).port or 0, timeout=5)
    connection.request(verb, path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_it_shows_the_curve_the_alarms_and_the_last_picture(page: Page, state: PageState) -> None:
    code, text = got(page, "/")
    assert code == 200
    assert b"<script>\n" in text
    assert b"rtsp://camera/&lt;script&gt;" in text
    assert b"http://" not in text.replace(b"http://www.w3.org/2000/svg", b""), "it asks nothing of others"
    code, content = got(page, "/state.json")
    found = json.loads(content)
    assert found["scores"] == [{**SCORE, "score": 0.1235}]
    assert [alarm["event"] for alarm in found["alarms"]] == ["alarm_end"], "one line an alarm"
    assert found["notes"] == ["lost <b>"]
    assert got(page, "/picture.jpg")[0] == 404
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 200, dtype=np.uint8), format="rgb24")
    state.look(Picture(0.0, 0.04, frame))
    code, picture = got(page, "/picture.jpg")
    assert (code, picture[:2]) == (200, b"\xff\xd8")


def test_it_keeps_no_more_than_it_shows(state: PageState) -> None:
    for number in range(3000):
        state.score(SCORE)
        state.alarm({**ALARM, "alarm": number})
        state.note(str(number))
    found = json.loads(state.as_json())
    assert (len(found["scores"]), len(found["alarms"]), len(found["notes"])) == (1000, 50, 20)
    assert found["alarms"][-1]["alarm"] == 2999


def test_nothing_can_be_changed_and_other_names_are_refused(page: Page) -> None:
    assert got(page, "/", verb="POST")[0] == 501
    assert got(page, "/../../etc/passwd")[0] == 404
    assert got(page, "/state.json", host="evil.example")[0] == 403
    assert got(page, "/state.json", host="localhost:80")[0] == 200


def test_others_need_the_token(state: PageState) -> None:
    page = Page(("0.0.0.0", 0), state)
    try:
        assert page.token
        assert page.url.endswith(f"/?token={page.token}")
        assert got(page, "/state.json")[0] == 403
        assert got(page, "/state.json?token=wrong")[0] == 403
        assert got(page, f"/state.json?token={page.token}", host="camera.example")[0] == 200
    finally:
        page.close()


def test_a_port_that_is_taken(state: PageState) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match=r"in use(.|\n)*0 is any"):
            Page(("127.0.0.1", taken.getsockname()[1]), state)


def test_an_address_that_is_not_of_this_machine(state: PageState) -> None:
    for host in ("192.0.2.1", "::1"):  # nobody's; and IPv6, which the page does not speak
        with pytest.raises(UserError, match=r"cannot be had(.|\n)*address of this machine"):
            Page((host, 0), state)


@pytest.mark.parametrize(
    ("text", "address"), [("8080", ("127.0.0.1", 8080)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("0", ("127.0.0.1", 0))]
)
def test_where_it_is(text: str, address: tuple[str, int]) -> None:
    assert page_address(text) == address


@pytest.mark.parametrize("text", ["", "http", "127.0.0.1", "70000", "1.2.3.4:"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(UserError, match="--page"):
        page_address(text)
