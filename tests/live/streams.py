"""Streams for tests: dark clips that are bright for a while, servers on this machine, towers that see brightness."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from mmvad.benchmarks.registry import DEMO_CLIPS
from mmvad.extraction.extractor import Extractor
from mmvad.extraction.settings import ExtractionSettings
from mmvad.live.alarms import Hysteresis
from mmvad.live.reading import Reader
from mmvad.live.scoring import RunScorer
from mmvad.live.source import stream_source
from mmvad.live.telling import Teller
from mmvad.live.watching import Outlets, Watch
from mmvad.predict.online import ChunkRows
from tests.extraction.videos import Track, write_video

RATE = 25
SIDE = 8


class Brightness:
    """A tower of pictures: a row is how bright the picture is, from 0 to 1, twice."""

    name, width, weights_sha256, frames, size, preprocessing = "brightness", 2, "0", 1, SIDE, "the mean"
    seconds = 0.0
    """What a call takes."""

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        return np.full((SIDE, SIDE, 3), frame.mean(), dtype=np.uint8)

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        time.sleep(self.seconds)
        return np.repeat(pictures.reshape(len(pictures), -1).mean(axis=1, keepdims=True) / 255, 2, axis=1)


class Loudness:
    """A tower of sound: a row is the root mean square of half a second."""

    name, width, weights_sha256, rate, window = "loudness", 1, "0", 16_000, 8_000

    def prepare(self, window: np.ndarray) -> np.ndarray:
        return window

    def encode(self, prepared: np.ndarray) -> np.ndarray:
        return np.sqrt((prepared**2).mean(axis=1, keepdims=True))


def brightness(device: torch.device) -> Brightness:
    return Brightness()


def loudness(device: torch.device) -> Loudness:
    return Loudness()


def light_extractor(*, audio: bool = True, **changes: Any) -> Extractor:
    """An extractor of brightness and loudness."""
    towers = {"visual_tower": f"{__name__}:brightness", "audio_tower": f"{__name__}:loudness"}
    return Extractor(ExtractionSettings(**towers, device="cpu", audio=audio, **changes))


def as_bright(chunks: Sequence[ChunkRows]) -> list[tuple[np.ndarray | None, np.ndarray | None]]:
    """A network: a snippet's score is its own brightness."""
    return [(chunk.visual[:, 0], None) for chunk in chunks]


def light_scorer(look_ahead: float | None = 0.0, *, all_crops: bool = False) -> RunScorer:
    data = SimpleNamespace(test_span="chunks", segment_length=64, chunk_overlap=0, test_crop=0)
    quirks = SimpleNamespace(all_crops=all_crops)
    run: Any = SimpleNamespace(config=SimpleNamespace(data=data, quirks=quirks), benchmark=DEMO_CLIPS, uses_audio=True)
    return RunScorer(run, as_bright, look_ahead)


def bright_clip(
    path: Path, seconds: float, *bright: tuple[float, float], size: tuple[int, int] = (64, 48), fps: int = RATE
) -> Path:
    """A dark clip, with a hum, that is bright between these seconds."""
    width, height = size
    times = np.arange(round(seconds * fps)) / fps
    shown = (
        np.full((height, width, 3), 230 if any(a <= t < b for a, b in bright) else 20, dtype=np.uint8) for t in times
    )
    rate = Loudness.rate  # so that nothing is resampled
    hum = 0.3 * np.sin(2 * np.pi * 200 * np.arange(round(seconds * rate)) / rate)
    codec = {".mov": "pcm_s16be", ".ts": "mp2"}.get(path.suffix, "aac")
    track = Track(hum[None].astype(np.float32), rate, codec=codec)
    return write_video(path, shown, fps, tracks=[track])


class Events:
    """Takes a watch's lines."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    def write(self, event: dict[str, Any]) -> None:
        self.all.append(event)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.all if event["event"] == kind]


def watched(
    word: str,
    *,
    look_ahead: float | None = 0.0,
    extractor: Extractor | None = None,
    timeout: float = 0.3,
    drop: bool = False,
    until: Callable[[Watch, Events], bool] | None = None,
    events: Events | None = None,
    **outlets: Any,
) -> tuple[Watch, Events, list[str]]:
    """Watches to the end, or until that says so; gives the watch, its lines and what was said."""
    said, events = list[str](), events or Events()
    teller = Teller(said.append)
    reader = Reader(
        stream_source(word), extractor or light_extractor(), teller, timeout=timeout, drop=drop, first_pause=0.05
    )
    to: Any = Outlets(events, True, **outlets)  # type: ignore[arg-type]
    watch = Watch(reader, light_scorer(look_ahead), Hysteresis(0.5, 0.4, 1.0), to, teller, live=False)
    if until is not None:
        stops = threading.Event()

        def stop_when_told() -> None:
            while not stops.is_set() and not until(watch, events):
                time.sleep(0.01)
            reader._stop.set()

        threading.Thread(target=stop_when_told, daemon=True).start()
    try:
        watch.run()
    finally:
        watch.finish()
    return watch, events, said


class BytesServer:
    """An HTTP server that sends the same bytes to whoever comes, without saying how many; it can be killed.

    Args:
        said_length: what it says of their length, if anything.
    """

    def __init__(self, content: bytes, said_length: int | None = None) -> None:
        self.content, self.said_length, self.requests = content, said_length, 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/live"

    @contextmanager
    def up(self) -> Iterator[None]:
        """While it lasts, the server is there."""
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen()
            thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
            thread.start()
            try:
                yield
            finally:
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                thread.join(5)

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    while b"\r\n\r\n" not in connection.recv(65536):
                        pass
                    self.requests += 1
                    length = f"Content-Length: {self.said_length}\r\n" if self.said_length else ""
                    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n{length}\r\n".encode())
                    connection.sendall(self.content)
