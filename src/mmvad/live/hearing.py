"""The sound of a stream as it comes: frames in, a waveform at a tower's rate out, of which windows are cut."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from itertools import chain

import av
import numpy as np

from mmvad.extraction.missing import MISSING_SECONDS, said_late
from mmvad.extraction.soundtrack import SoundReport, blocks, timed
from mmvad.extraction.timestamps import Steady
from mmvad.extraction.waveform import RATE, resampled
from mmvad.live.telling import Teller

_BLOCK_SECONDS = 0.2
_FRAMES = 64
"""Frames that wait to be resampled, one to five seconds: the reader of the stream waits where there are more.

Snippets wait for their sound: were it much later, the packets of their alarms' clips would be gone.
"""
_KEPT_SAMPLES = 16_000_000
"""Samples that are kept while no snippet asks for them: a quarter of an hour at 16 kHz."""


def warm_up() -> None:
    """Has the resampling compiled, which takes seconds: better before a stream is opened than while it waits."""
    for _ in resampled([np.zeros(800, dtype=np.float32)], 8_000, RATE):
        pass


class Waveform:
    """The last samples of a waveform, of which sample n is heard at second n / rate. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: list[np.ndarray] = []
        self._first = 0
        self.received = 0

    def add(self, block: np.ndarray) -> None:
        """The next samples, float32."""
        with self._lock:
            self._blocks.append(block)
            self.received += len(block)
            self._forget(self.received - _KEPT_SAMPLES)

    def window(self, end: int, size: int) -> np.ndarray:
        """The `size` samples that end before sample `end`, float32; silence where there are none."""
        found = np.zeros(size, dtype=np.float32)
        with self._lock:
            at = self._first
            for block in self._blocks:
                begin, stop = max(at, end - size), min(at + len(block), end)
                if begin < stop:
                    found[begin - end + size : stop - end + size] = block[begin - at : stop - at]
                at += len(block)
        return found

    def forget(self, before: int) -> None:
        """No window asks for samples before this one any more."""
        with self._lock:
            self._forget(before)

    def _forget(self, before: int) -> None:
        while self._blocks and self._first + len(self._blocks[0]) <= before:
            self._first += len(self._blocks.pop(0))


class Hearing:
    """One connection's track of sound. A thread of its own puts its frames on one clock and resamples them.

    Args:
        rate: samples a second of the waveform.
        begin: the second of the stream's own clock that is its second 0.
    """

    def __init__(self, rate: int, begin: float, teller: Teller) -> None:
        self.rate, self.waveform, self.ended = rate, Waveform(), threading.Event()
        self._begin, self._teller = begin, teller
        self._frames: queue.Queue[av.AudioFrame | None] = queue.Queue(_FRAMES)
        self._given = self._done = 0
        self._thread = threading.Thread(target=self._run, name="sound", daemon=True)
        self._thread.start()

    def put(self, frame: av.AudioFrame) -> None:
        """The next frame."""
        if not self.ended.is_set():
            self._given += 1
            self._frames.put(frame)

    def close(self) -> None:
        """There are no more frames; waits until all are resampled."""
        self._frames.put(None)
        self._thread.join()

    @property
    def begun(self) -> bool:
        """Whether there is any sound yet."""
        return self.waveform.received > 0

    @property
    def idle(self) -> bool:
        """Whether all frames that came are worked through."""
        return self._done == self._given

    def _run(self) -> None:
        try:
            steady = Steady()
            frames = steady.through(timed(self._taken(), self._begin))
            first = next(frames, None)
            if first is None:
                return
            rate = first[2].rate
            heard = blocks(chain([first], frames), rate, _Told(self._teller))
            mended = 0
            for block in resampled(heard, rate, self.rate, _BLOCK_SECONDS):
                self.waveform.add(block)
                if steady.jumps > mended:
                    self._teller.count("sound: time stamps that jump, mended", steady.jumps - mended)
                    mended = steady.jumps
        except Exception as error:  # of a kind that nobody has seen: the picture is watched on
            self._teller.say(f"sound: cannot be read any more: {type(error).__name__}: {error}")
        finally:
            self.ended.set()
            while self._frames.qsize():  # so that nobody waits for room in it
                self._frames.get_nowait()

    def _taken(self) -> Iterator[av.AudioFrame]:
        while (frame := self._frames.get()) is not None:
            yield frame
            self._done += 1


class _Told(SoundReport):
    """What is wrong with the track, said at once."""

    def __init__(self, teller: Teller) -> None:
        super().__init__()
        self._teller = teller

    def begins(self, second: float) -> None:
        for line in said_late("sound", second, ": silence before"):
            self._teller.say(line)

    def lacks(self, begin: float, end: float) -> None:
        if end - begin >= MISSING_SECONDS:
            self._teller.say_of("sound: gaps", f"no sound from {begin:.2f} to {end:.2f} s: silence there")

    def overlaps(self, seconds: float) -> None:
        if seconds > 0:
            self._teller.count("sound: stretches that overlap what came before, left out")
