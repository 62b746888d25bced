"""The sound of a video file as it is heard, on the clock of its picture, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import av
import numpy as np

from mmvad.errors import UserError
from mmvad.extraction.container import begin_of, decoded, opened
from mmvad.extraction.missing import Gaps, said_late
from mmvad.extraction.survey import survey
from mmvad.extraction.timestamps import Steady

NO_SOUND = "the audio track holds no sound that can be decoded"
_GAP_SECONDS = 0.05
"""Sound whose time stamps leave its own clock by more than this is moved to where they say it is."""
_RATES = range(1000, 1_000_001)
"""Samples a second that sound can have."""


@dataclass(frozen=True)
class Sound:
    """One audio track: blocks of float32 [samples], the mean of its channels, at its own sample rate."""

    rate: int
    blocks: Iterator[np.ndarray]


def sound(path: Path, track: int, notes: list[str]) -> Sound | None:
    """The audio track of that number, counted from 0; None, and a note, without sound.

    Gaps are filled with silence and overlaps dropped, so that the sample n is heard at second n / rate. What was wrong
    is added to `notes`. Its rate is that of its first frame, wherever that lies: a header may not know it.
    Raises UserError, naming the file, for a track that it does not have.
    """
    with opened(path) as container:
        tracks = container.streams.audio
        if not tracks:
            notes.append("no audio track")
            return None
        if track >= len(tracks):
            expected = f"a number below {len(tracks)}: tracks are counted from 0"
            raise UserError(path, f"has no audio track {track}", expected=expected, fix="choose with --audio-track N")
        if len(tracks) > 1:
            notes.append(f"{len(tracks)} audio tracks: track {track} is used, counted from 0 (--audio-track)")
        known = tracks[track].codec_context is not None
    shown = _frames(path, track, notes) if known else iter(())
    first = next(shown, None)
    if first is None:
        notes.append(NO_SOUND)
        return None
    rate = first[2].rate
    return Sound(rate, _noted(chain([first], shown), rate, notes))


def _frames(path: Path, track: int, notes: list[str]) -> Iterator[tuple[float | None, float, av.AudioFrame]]:
    """The track's frames, each behind its second and its duration."""
    found, steady = survey(path), Steady()
    with opened(path) as container:
        stream, begin = container.streams.audio[track], begin_of(container)
        shown = decoded(container, stream, notes, found.moves.get(stream.index, ()))
        yield from steady.through(timed(shown, begin))
    notes += [f"audio: time stamps that jump, mended: {steady.jumps}"] if steady.jumps else []


def timed(shown: Iterable[av.AudioFrame], begin: float) -> Iterator[tuple[float | None, float, av.AudioFrame]]:
    """Each frame behind its second since `begin` and its duration; those of a rate that cannot be are left out."""
    for frame in shown:
        if frame.rate in _RATES:
            yield None if frame.time is None else frame.time - begin, frame.samples / frame.rate, frame


def _noted(
    frames: Iterable[tuple[float | None, float, av.AudioFrame]], rate: int, notes: list[str]
) -> Iterator[np.ndarray]:
    report = SoundReport()
    for block in blocks(frames, rate, report):
        if report.late:
            notes += said_late("sound", report.late, ": silence before")
            report.late = 0.0
        yield block
    notes += report.gaps.said("sound", ": silence there")
    notes += [f"{report.overlap:.2f} s of sound overlap what came before and are left out"] if report.overlap else []


@dataclass
class SoundReport:
    """What is wrong with the time stamps of a track.

    Attributes:
        late: the second at which it begins.
        overlap: seconds that were left out, since others are there before them.
    """

    late: float = 0.0
    gaps: Gaps = field(default_factory=Gaps)
    overlap: float = 0.0

    def begins(self, second: float) -> None:
        """The sound begins there."""
        self.late = second

    def lacks(self, begin: float, end: float) -> None:
        """Between these seconds there is none."""
        self.gaps.add(begin, end)

    def overlaps(self, seconds: float) -> None:
        """So much was left out."""
        self.overlap += seconds


def blocks(
    frames: Iterable[tuple[float | None, float, av.AudioFrame]], rate: int, report: SoundReport
) -> Iterator[np.ndarray]:
    """Blocks of samples, float32, of which number n is heard at second n / rate: silence in gaps, no overlaps."""
    taken = None
    for time, mono in _as_mono(frames, rate):
        gap = 0 if time is None else round(time * rate) - (taken or 0)
        if taken is None or abs(gap) > _GAP_SECONDS * rate:
            if taken is None:
                report.begins(gap / rate)
            else:
                report.lacks(taken / rate, (taken + gap) / rate)
                report.overlaps(min(max(-gap, 0), len(mono)) / rate)
            yield from _silence(gap, rate)
            mono = mono[max(-gap, 0) :]
            taken = (taken or 0) + max(gap, 0)
        taken += len(mono)
        yield mono


def _as_mono(
    frames: Iterable[tuple[float | None, float, av.AudioFrame]], rate: int
) -> Iterator[tuple[float | None, np.ndarray]]:
    """Of each frame its second and its samples at that rate; what a resampler held back comes without a second.

    A stream may change its layout or rate on the way, as broadcasts do: then with another resampler.
    """
    form, to_float = None, None
    for time, _, frame in frames:
        found = (frame.format.name, frame.layout.name, frame.rate)
        if to_float is None or found != form:
            if to_float is not None:
                yield None, _joined(to_float.resample(None))
            form, to_float = found, av.AudioResampler(format="flt", rate=rate)
        yield time, _joined(to_float.resample(frame))
    if to_float is not None:
        yield None, _joined(to_float.resample(None))


def _joined(frames: Sequence[av.AudioFrame | None]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.float32), *(_mean_of_channels(f) for f in frames if f is not None)])


def _mean_of_channels(frame: av.AudioFrame) -> np.ndarray:
    return frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1, dtype=np.float32)


def _silence(samples: int, rate: int) -> Iterator[np.ndarray]:
    for start in range(0, samples, rate):
        yield np.zeros(min(rate, samples - start), dtype=np.float32)
