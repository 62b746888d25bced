"""The thread that reads a stream: it connects, hands on what was seen, and connects again when the stream is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmvad.errors import UserError
from mmvad.extraction.extractor import Extractor
from mmvad.extraction.media import Picture
from mmvad.live.clips import PacketRing
from mmvad.live.connection import Connection
from mmvad.live.mailbox import Mailbox
from mmvad.live.seeing import SeenSnippet, whole_snippets
from mmvad.live.source import StreamSource, open_source, without_password
from mmvad.live.telling import Teller

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the stream is sought again, doubled each time."""
_ROOM_BYTES, _ROOM = 128 * 2**20, (4, 64)
"""How much of prepared pictures may wait, and between how many snippets that is."""


@dataclass(frozen=True)
class Begun:
    """A connection: its second 0 is so many seconds after the stream was first seen.

    Attributes:
        ring: its packets, from the first one on; None where no clips are wanted.
    """

    connection: Connection
    offset: float
    ring: PacketRing | None = None


@dataclass(frozen=True)
class Ended:
    """The end of a connection, or of all; why it was lost, or None."""

    lost: str | None
    last: bool


@dataclass(frozen=True)
class Refused:
    """The source cannot be watched at all."""

    error: BaseException


Event = Begun | SeenSnippet | Ended | Refused


class Reader:
    """Reads a source until it ends or is stopped.

    Args:
        drop: whether what waits too long is dropped; else the source waits.
        look: is shown every frame, with its second.
        first_pause: seconds.

    Attributes:
        keeps: whether packets are kept, for clips; said before it starts.
    """

    def __init__(
        self,
        source: StreamSource,
        extractor: Extractor,
        teller: Teller,
        *,
        timeout: float,
        drop: bool,
        look: Callable[[Picture], object] | None = None,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self.source, self.extractor, self.teller, self.timeout = source, extractor, teller, timeout
        self.mailbox: Mailbox[Event] = Mailbox(_room(extractor), drop=drop)
        self.connections, self.keeps = 0, False
        self._look, self._first_pause = look, first_pause
        self._stop = threading.Event()
        self._first_seen: float | None = None
        self._end = 0.0
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def stop(self) -> None:
        """Reads no more; what was read waits no more."""
        self._stop.set()
        self.mailbox.close()
        self._thread.join(2.0)  # a camera that says nothing keeps it until its timeout: it is a daemon

    def _run(self) -> None:
        try:
            self._read_all()
        except BaseException as error:
            self.mailbox.put(Refused(error))

    def _read_all(self) -> None:
        pause = self._first_pause
        while not self._stop.is_set():
            try:
                found = self._connect()
            except UserError as error:
                if not self.connections:
                    raise
                self.teller.say(f"{_first_line(error)}; tried again in {pause:g} s")
            else:
                self.connections += 1
                if self.connections > 1:
                    self.teller.say(f"{self.source.name}: back")
                lost, frames = self._read(found)
                last = lost is None or self.source.kind in ("file", "pipe") or found.finite or self._stop.is_set()
                self.mailbox.put(Ended(lost, last))
                if last:
                    return
                pause = self._first_pause if frames else pause
                self.teller.say(f"{self.source.name}: lost ({lost}); sought again in {pause:g} s")
                del found  # a camera may refuse a second connection while the first one is open
            self._stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        self.mailbox.put(Ended(None, last=True))

    def _connect(self) -> Connection:
        container = open_source(self.source, self.timeout, self._stop.is_set)
        sound, settings = self.extractor.sound, self.extractor.settings
        try:
            return Connection(
                container,
                self.source.name,
                self.teller,
                self._stop.is_set,
                sound.rate if sound else None,
                settings.audio_track,
            )
        except BaseException:
            container.close()
            raise

    def _read(self, connection: Connection) -> tuple[str | None, int]:
        """Hands on all that the connection brings; why it was lost, and how many snippets it brought."""
        if self._first_seen is None:
            self._first_seen = time.monotonic()
        offset = max(self._end, time.monotonic() - self._first_seen) if self.connections > 1 else 0.0
        ring = PacketRing() if self.keeps else None
        if ring is not None:
            connection.keep = ring.keep  # before a packet is read: a clip may need the first key frame
        self.mailbox.put(Begun(connection, offset, ring))
        count = 0  # nobody closes its container: clips that are still written know its streams
        for snippet in whole_snippets(self._looked_at(connection.pictures()), self.extractor.viewer()):
            self._end = offset + snippet.end
            count += 1
            if not self.mailbox.put(snippet, droppable=True):
                break
        sent = self.source.kind in ("network", "device") and not connection.finite
        closed = "the sender closed it" if sent else None
        return connection.lost or closed, count

    def _looked_at(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        for picture in pictures:
            if self._look:
                self._look(picture)
            yield picture


def _room(extractor: Extractor) -> int:
    settings, image = extractor.settings, extractor.image
    frames = 16 if settings.sampling == "mean" else image.frames
    size = settings.crops * frames * image.size**2 * 3
    return max(_ROOM[0], min(_ROOM[1], _ROOM_BYTES // size))


def _first_line(error: UserError) -> str:
    return without_password(f"{error.where}: {error.problem}")
