"""Sound as a tower wants it: at its rate, cut into windows, in constant memory.

VGGish takes 16 kHz and windows of 0.96 s, which take 15,600 samples: 96 frames, each 10 ms after the one before, of
25 ms each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

RATE = 16_000
WINDOW = 15_600
TICK = 15_360
"""Samples from one window of torchvggish's grid to the next: 0.96 s."""
_CHUNK_SECONDS = 10
_ZERO_CROSSINGS = 64
"""Half width of resampy's widest filter, in periods of the lower of the two rates."""


def resampled(
    blocks: Iterable[np.ndarray], rate: int, wanted: int = RATE, seconds: float = _CHUNK_SECONDS
) -> Iterator[np.ndarray]:
    """The waveform at `wanted` Hz: blocks of float32 that put together are resampy's output for the whole waveform.

    Each block, about `seconds` long, is resampled with as much of its neighbours as the filter reaches; blocks begin
    where a sample of the one rate falls on a sample of the other.
    """
    unit = rate // math.gcd(rate, wanted)
    reach = (_ZERO_CROSSINGS + 1) * max(rate, wanted) // wanted + 1
    margin = unit * math.ceil(reach / unit)
    chunk = unit * math.ceil(seconds * rate / unit)
    buffer, before = np.zeros(0, dtype=np.float32), 0
    for block in _at_least(blocks, chunk + margin):
        buffer = np.concatenate([buffer, block])
        whole = (len(buffer) - before - margin) // unit * unit
        if whole <= 0:
            continue
        part = _resample(buffer[: before + whole + margin], rate, wanted)
        yield part[before * wanted // rate : (before + whole) * wanted // rate]
        keep = min(before + whole, margin)
        buffer, before = buffer[before + whole - keep :], keep
    if len(buffer) > before:
        yield _resample(buffer, rate, wanted)[before * wanted // rate :]


def windows(
    blocks: Iterable[np.ndarray], ends: Iterable[int], size: int = WINDOW, *, to_the_last: bool
) -> Iterator[np.ndarray]:
    """The windows, float32 [size], that end at these samples (ascending), silence before the first sample.

    Beyond the last sample there is silence; without `to_the_last` a window that is not whole ends the series, unless it
    is the first.
    """
    source, buffer, received = iter(blocks), np.zeros(size, dtype=np.float32), 0
    for given, end in enumerate(ends):
        while received < end and (block := next(source, None)) is not None:
            buffer, received = np.concatenate([buffer[-size:], block]), received + len(block)
        cut_off = received < end and not to_the_last
        if cut_off and given:
            return
        if received < end:
            silence = np.zeros(min(end - received, size), dtype=np.float32)
            buffer, received = np.concatenate([buffer[-size:], silence]), end
        stop = len(buffer) - (received - end)
        yield buffer[stop - size : stop]
        if cut_off:
            return


def snippet_ends(starts: np.ndarray, rate: int = RATE) -> list[int]:
    """The sample at which each snippet ends, of snippets that begin at `starts` [n + 1], in seconds."""
    return [round(second * rate) for second in starts[1:]]


def tick_ends(seconds: float) -> Iterator[int]:
    """The samples at which the windows of torchvggish's grid end, as long as they begin before that second."""
    return (start + WINDOW for start in range(0, max(math.ceil(seconds * RATE), 1), TICK))


def tick_of_snippet(starts: np.ndarray, ticks: int) -> np.ndarray:
    """[n]: of each snippet, the number of the 0.96 s in which its middle lies; the last one where there are no more."""
    middle = (starts[:-1] + starts[1:]) / 2
    return np.clip((middle * RATE // TICK).astype(np.int64), 0, ticks - 1)


def _at_least(blocks: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same samples in blocks of at least that size, but for the last."""
    buffer: list[np.ndarray] = []
    for block in blocks:
        buffer.append(block)
        if sum(map(len, buffer)) >= size:
            yield np.concatenate(buffer)
            buffer = []
    if buffer:
        yield np.concatenate(buffer)


def _resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    if rate == wanted:
        return samples
    if len(samples) * wanted // rate < 1:
        return np.zeros(0, dtype=np.float32)
    from resampy import resample

    return resample(samples.astype(np.float64), rate, wanted).astype(np.float32)
