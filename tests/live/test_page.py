"""The page: what it shows, to whom."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from typing import Any
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


def test_a_frame_is_touched_by_no_other_thread_than_the_one_that_brings_it(state: PageState) -> None:
    """Scaling writes to a frame and to what it is scaled with: two threads at it would end the process."""
    touched: set[int] = set()
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 200, dtype=np.uint8), format="rgb24")

    class Watched:
        width, height, rotation = 64, 48, 0

        def reformat(self, *given: Any, **named: Any) -> av.VideoFrame:
            touched.add(threading.get_ident())
            return frame.reformat(*given, **named)

    brought: Any = Picture(0.0, 0.04, Watched())  # type: ignore[arg-type]
    found: list[bytes | None] = []
    asks = threading.Thread(target=lambda: found.append(state.jpeg()))
    state.look(brought)
    asks.start()
    while asks.is_alive():
        state.look(brought)
    assert found[0]
    assert found[0][:2] == b"\xff\xd8"
    assert touched == {threading.get_ident()}


def test_who_asks_gets_a_new_picture(state: PageState) -> None:
    def brought(light: int) -> Picture:
        return Picture(0.0, 0.04, av.VideoFrame.from_ndarray(np.full((8, 8, 3), light, dtype=np.uint8), format="rgb24"))

    state.look(brought(0))
    state.look(brought(100))
    asks = threading.Timer(0.05, lambda: state.look(brought(250)))
    asks.start()
    assert len(state.jpeg() or b"") > 0
    assert state._picture is not None
    assert state._picture.mean() > 240


@pytest.mark.parametrize("asked", ["GET http://[/ HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: [\r\n\r\n"])
def test_what_is_no_request_is_no_error_of_the_watch(
    page: Page, asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(page.url).port or 0), timeout=5) as client:
        client.sendall(asked.encode())
        answer = client.recv(9999)
    assert b"400" in answer.splitlines()[0]
    assert capsys.readouterr().err == ""


def test_a_browser_that_goes_away_is_no_error_of_the_watch(
    page: Page, state: PageState, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def slow() -> bytes:
        time.sleep(0.1)
        return bytes(10_000_000)

    monkeypatch.setattr(state, "as_json", slow)
    monkeypatch.setattr(page._server, "shutdown_request", lambda request: (request.close(), ended.set()))
    with socket.create_connection(("127.0.0.1", urlsplit(page.url).port or 0), timeout=5) as client:
        client.sendall(b"GET /state.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert ended.wait(5)
    assert capsys.readouterr().err == ""


def test_nobody_fills_the_machine_with_threads(state: PageState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmvad.live.page._AT_ONCE", 3)
    page, before = Page(("127.0.0.1", 0), state), threading.active_count()
    place = ("127.0.0.1", urlsplit(page.url).port or 0)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(place, timeout=5))
        with suppress(ConnectionResetError):
            assert stack.enter_context(socket.create_connection(place, timeout=5)).recv(1) == b"", "sent away"
        assert threading.active_count() - before <= 3
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert got(page, "/")[0] == 200, "and there is room again"
    page.close()
