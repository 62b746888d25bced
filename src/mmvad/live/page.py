"""The page of a watch: the running curve, the last picture, the alarms. It is read only, and asks nothing of others."""

from __future__ import annotations

import errno
import hmac
import io
import ipaddress
import json
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import av
import numpy as np
from PIL import Image

from mmvad.errors import UserError
from mmvad.extraction.media import Picture, upright
from mmvad.live.lines import rounded
from mmvad.system.pages import render

_POINTS, _ALARMS, _NOTES = 1000, 50, 20
"""How much of each is kept and shown."""
_WIDTH = 640
_PICTURE_SECONDS, _WAIT_SECONDS = 2.0, 0.2
"""How old the picture may become while nobody looks, and how long who looks waits for one that is newer."""
_AT_ONCE = 32
"""Connections; who comes then is sent away, so that nobody can fill this machine with threads."""
_POLICY = (
    "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'"
)
LOCAL = "127.0.0.1"


class PageState:
    """What the page shows. Threads may share it.

    Args:
        title: of the page: what is watched.
        on, off: where alarms open and close.
    """

    def __init__(self, title: str, on: float, off: float) -> None:
        self.title, self.on, self.off = title, on, off
        self._lock = threading.Lock()
        self._scores: deque[Mapping[str, Any]] = deque(maxlen=_POINTS)
        self._alarms: dict[int, Mapping[str, Any]] = {}
        self._notes: deque[str] = deque(maxlen=_NOTES)
        self._shown = threading.Condition()
        self._picture: np.ndarray | None = None
        self._asked, self._taken = True, 0.0

    def look(self, picture: Picture) -> None:
        """The last picture is this one: a small copy is taken where somebody asks for it, and now and then.

        The thread that decodes it must take it: scaling writes to a frame, and no two threads may do so at once.
        """
        now = time.monotonic()
        if not self._asked and now - self._taken < _PICTURE_SECONDS:
            return
        self._taken = now
        with suppress(av.FFmpegError, ValueError), self._shown:
            self._picture, self._asked = _small(picture.frame), False
            self._shown.notify_all()

    def score(self, event: Mapping[str, Any]) -> None:
        """A snippet was scored."""
        with self._lock:
            self._scores.append(rounded(event))

    def alarm(self, event: Mapping[str, Any]) -> None:
        """An alarm was raised, or has ended."""
        with self._lock:
            self._alarms[event["alarm"]] = rounded(event)
            while len(self._alarms) > _ALARMS:
                del self._alarms[next(iter(self._alarms))]

    def note(self, text: str) -> None:
        """Something was said."""
        with self._lock:
            self._notes.append(text)

    def as_json(self) -> bytes:
        """All but the picture."""
        with self._lock:
            content = {"scores": list(self._scores), "alarms": list(self._alarms.values()), "notes": list(self._notes)}
        return json.dumps(content, allow_nan=False).encode()

    def jpeg(self) -> bytes | None:
        """The last picture; None before there is one."""
        with self._shown:
            self._asked = True
            self._shown.wait(_WAIT_SECONDS)
            picture = self._picture
        if picture is None:
            return None
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=80)
        return file.getvalue()


def _small(frame: av.VideoFrame) -> np.ndarray:
    width = min(frame.width, _WIDTH)
    small = frame.reformat(width, max(1, round(frame.height * width / frame.width)), format="rgb24")
    return upright(small.to_ndarray(), frame.rotation)


def page_address(text: str) -> tuple[str, int]:
    """Host and port of `--page`: PORT alone is of this machine. Raises UserError for anything else."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UserError(f"--page: {text}", "is no port", expected="PORT, or ADDRESS:PORT; port 0 is any that is free")
    return host.strip("[]") or LOCAL, int(port)


class Page:
    """The page's server, in threads of its own. Whoever asks from elsewhere needs the token.

    Attributes:
        url: where the page is, with the token where one is needed.

    Raises UserError where the address cannot be had.
    """

    def __init__(self, address: tuple[str, int], state: PageState) -> None:
        host, port = address
        self.token = None if _is_local(host) else secrets.token_urlsafe(16)
        try:
            self._server = _Server((host, port), _Handler)
        except (OSError, UnicodeError) as error:
            of_port = isinstance(error, OSError) and error.errno in {errno.EADDRINUSE, errno.EACCES}
            fix = "choose another port; 0 is any" if of_port else "give an IPv4 address of this machine; 0.0.0.0 is all"
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"--page: {host}:{port}", f"cannot be had ({reason})", fix=fix) from error
        self._server.state, self._server.token = state, self.token
        token = f"?token={self.token}" if self.token else ""
        self.url = f"http://{host}:{self._server.server_port}/{token}"
        threading.Thread(target=self._server.serve_forever, name="page", daemon=True).start()

    def close(self) -> None:
        """Serves no more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: PageState
    token: str | None

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, while there is room for one."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a browser that went away, or was too slow."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        try:
            asked, may = urlsplit(self.path), self._may(urlsplit(self.path).query)
        except ValueError:
            self._answer(400, "text/plain", b"no address\n")
            return
        if not may:
            self._answer(403, "text/plain", b"the address needs its token, or another name was asked for\n")
        elif asked.path == "/":
            self._answer(
                200, "text/html; charset=utf-8", render("mmvad.live", "live.html", page=self.server.state).encode()
            )
        elif asked.path == "/state.json":
            self._answer(200, "application/json", self.server.state.as_json())
        elif asked.path == "/picture.jpg" and (picture := self.server.state.jpeg()) is not None:
            self._answer(200, "image/jpeg", picture)
        else:
            self._answer(404, "text/plain", b"not here\n")

    def _may(self, query: str) -> bool:
        """Whether the token is right; without one, whether the page was asked for by this machine's own names.

        Another site's name that leads to this machine would let that site's scripts read the page.
        """
        if self.server.token is not None:
            given = parse_qs(query).get("token", [""])[0]
            return hmac.compare_digest(given.encode(), self.server.token.encode())
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        return _is_local(host)

    def _answer(self, code: int, kind: str, content: bytes) -> None:
        self.send_response(code)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: a page that asks every second would fill the terminal."""


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
