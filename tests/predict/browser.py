"""A headless Chromium, driven over a pipe by its DevTools protocol: no driver program, no port, no network."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SWITCHES = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "mute-audio",
    "hide-scrollbars",
    "remote-debugging-pipe",
    "autoplay-policy=no-user-gesture-required",
)
PATIENCE_SECONDS = 120


def chromium() -> str:
    """The program; skips where it is not installed, fails in CI."""
    found = shutil.which("chromium")
    if found is None:
        assert not os.environ.get("CI"), "CI needs Debian's package chromium"
        pytest.skip("the Debian package chromium is not installed")
    return found


class Browser:
    """One tab. Use it as a context manager."""

    def __init__(self, profile: Path, size: tuple[int, int] = (1100, 1000)) -> None:
        command = [chromium(), *(f"--{switch}" for switch in SWITCHES), f"--user-data-dir={profile}"]
        command += [f"--window-size={size[0]},{size[1]}", "--host-resolver-rules=MAP * ~NOTFOUND", "about:blank"]
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()

        def hand_over() -> None:
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_in, theirs_out)]
            for number, fd in enumerate(high, 3):
                os.dup2(fd, number)

        self.process = subprocess.Popen(  # the pipe's ends must have the numbers 3 and 4
            command, preexec_fn=hand_over, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.write, self.read = os.fdopen(ours_out, "wb", buffering=0), os.fdopen(ours_in, "rb")
        self.numbers, self.session = itertools.count(1), ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.getTargets")["targetInfos"][0]["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.write.close()
        self.read.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; events that come in between are kept."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        self.write.write(json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, page: Path) -> None:
        """Loads a page and waits until it is there."""
        self.call("Page.navigate", url=page.resolve().as_uri())
        self._await("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def click(self, x: float, y: float) -> None:
        """A real click: moved there, pressed, released."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def hover(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def screenshot(self, file: Path) -> None:
        image = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(image["data"]))

    def complaints(self) -> list[str]:
        """Everything that the console or the log has said, and every request that left the page."""
        found = []
        for event in self.events:
            kind, said = event.get("method"), event.get("params", {})
            if kind in {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}:
                found.append(json.dumps(said)[:300])
            if kind == "Network.requestWillBeSent" and not said["request"]["url"].startswith(("file:", "data:")):
                found.append(said["request"]["url"][:100])
        return found

    def _await(self, method: str) -> None:
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        if not self._rest and not select.select([self.read], [], [], PATIENCE_SECONDS)[0]:
            raise AssertionError(f"Chromium has said nothing for {PATIENCE_SECONDS} s")
        while (byte := self.read.read1(65536) if not self._rest else self._rest) or self.process.poll() is None:
            self._rest = b""
            head, end, tail = byte.partition(b"\0")
            text += head
            if end:
                self._rest = tail
                return json.loads(text)
        raise AssertionError("Chromium has ended")

    _rest = b""
