"""What the demo's clips sound like: a hum, wind, tunes, cars; and shots, an explosion. Plain numpy waveforms."""

from __future__ import annotations

import numpy as np

from mmvad.demo.script import Act, Script

SAMPLE_RATE = 44_100
SHOTS_A_SECOND = 6
HUM = 100
"""Hertz, of the mains."""


def soundtrack(script: Script) -> np.ndarray:
    """Mono waveform of the clip, float32 [samples] in -1..1."""
    count = round(script.seconds * SAMPLE_RATE)
    rng = np.random.default_rng([script.seed, 1])
    seconds = np.arange(count) / SAMPLE_RATE
    track = 0.02 * np.sin(2 * np.pi * HUM * seconds) + 0.004 * rng.normal(size=count)
    for act in script.acts:
        if act.kind in _HEARD and act.start < script.seconds:
            first, last = (min(int(second * SAMPLE_RATE), count) for second in (act.start, act.end))
            length = last - first
            track[first : first + length] += _faded(_HEARD[act.kind](act, length, np.random.default_rng(act.seed)))
    return np.clip(track, -1, 1).astype(np.float32)


def _tune(act: Act, length: int, rng: np.random.Generator) -> np.ndarray:
    """A note every third of a second."""
    seconds = np.arange(length) / SAMPLE_RATE
    notes = 220 * 2 ** (rng.integers(0, 13, size=int(3 * seconds[-1]) + 1) / 12)
    phase = 2 * np.pi * np.cumsum(notes[(3 * seconds).astype(int)]) / SAMPLE_RATE
    return 0.12 * np.sin(phase) + 0.04 * np.sin(2 * phase)


def _wind(act: Act, length: int, rng: np.random.Generator) -> np.ndarray:
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 0.4 * np.arange(length) / SAMPLE_RATE)
    return 0.05 * swell * _low(rng.normal(size=length), 60)


def _car(act: Act, length: int, rng: np.random.Generator) -> np.ndarray:
    seconds = np.arange(length) / SAMPLE_RATE
    near = np.sin(np.pi * np.arange(length) / length)
    return 0.1 * near * (np.sin(2 * np.pi * 70 * seconds) + 0.5 * np.sin(2 * np.pi * 140 * seconds))


def _shots(act: Act, length: int, rng: np.random.Generator) -> np.ndarray:
    """Cracks of noise that die away within a tenth of a second."""
    made = np.zeros(length)
    crack = np.exp(-np.arange(int(0.12 * SAMPLE_RATE)) / (0.03 * SAMPLE_RATE))
    for start in np.arange(0, length - len(crack), SAMPLE_RATE / SHOTS_A_SECOND):
        position = int(start + rng.uniform(0, 0.04) * SAMPLE_RATE)
        size = min(len(crack), length - position)
        made[position : position + size] += 0.8 * crack[:size] * rng.normal(size=size)
    return made


def _explosion(act: Act, length: int, rng: np.random.Generator) -> np.ndarray:
    """A roar: low noise, loud at first, with a crackle on it."""
    seconds = np.arange(length) / SAMPLE_RATE
    roar = (0.5 + 0.5 * np.exp(-seconds)) * _low(rng.normal(size=length), 120)
    return 0.6 * roar + 0.08 * rng.normal(size=length)


def _low(noise: np.ndarray, width: int) -> np.ndarray:
    """Noise without its high parts (a running mean over `width` samples), of deviation 1."""
    kept = np.cumsum(np.concatenate([np.zeros(width), noise]))
    low = kept[width:] - kept[:-width]
    return low / low.std()


def _faded(sound: np.ndarray) -> np.ndarray:
    """The sound, in and out within 20 ms: no click."""
    ramp = np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1]) / (0.02 * SAMPLE_RATE)
    return sound * np.clip(ramp, 0, 1)


_HEARD = {"tune": _tune, "wind": _wind, "car": _car, "shooting": _shots, "explosion": _explosion}
