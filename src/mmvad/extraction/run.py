"""One extraction: many videos, several at a time, into a folder; what fails is named while the others go on."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from mmvad.extraction.extractor import STAGES, Extractor, VideoFeatures, extract_together
from mmvad.extraction.folder import FeatureFolder
from mmvad.extraction.video_files import video_name
from mmvad.system.attempts import Failure, attempt
from mmvad.system.progress import progress_bar


@dataclass(frozen=True)
class Way:
    """One way to make features, and the folder that takes them."""

    extractor: Extractor
    folder: FeatureFolder


@dataclass
class Outcome:
    """What became of the videos.

    Attributes:
        failed: by file, why.
        wall_seconds: from first to last.
    """

    extracted: int = 0
    kept: int = 0
    warned: int = 0
    frames: int = 0
    video_seconds: float = 0.0
    wall_seconds: float = 0.0
    failed: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Done:
    """What is kept of a video once its features lie on the disk."""

    snippets: int
    frames: int
    seconds: float
    sound: bool
    warnings: tuple[str, ...]


class _Stopped(BaseException):
    """The extraction was interrupted: no failure of a video."""


def extract_all(videos: Sequence[Path], ways: Sequence[Way], workers: int = 1) -> Outcome:
    """Extracts what is not finished, `workers` videos at a time; returns what became of each.

    A video that lacks features of several ways is decoded once for all of them.
    Raises DiskFullError, and KeyboardInterrupt, when the videos under way have stopped; finished ones stay.
    """
    began, outcome, stop = time.perf_counter(), Outcome(), threading.Event()
    pending = [path for path in videos if not all(way.folder.is_done(path) for way in ways)]
    outcome.kept = len(videos) - len(pending)
    sizes = {path: path.stat().st_size if path.is_file() else 0 for path in pending}
    with (
        progress_bar("extracting", sum(sizes.values()), in_bytes=True) as advance,
        ThreadPoolExecutor(max_workers=workers) as pool,
    ):
        try:
            tasks = {pool.submit(_one, path, sizes[path], ways, stop, advance): path for path in pending}
            for task in as_completed(tasks):
                _settle(tasks[task], task.result(), outcome)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    for way in ways:
        way.folder.close()
    outcome.wall_seconds = time.perf_counter() - began
    return outcome


def _one(
    path: Path, size: int, ways: Sequence[Way], stop: threading.Event, advance: Callable[[int], object]
) -> _Done | Failure:
    """What is kept of the video, or why it failed."""

    def go_on(share: float) -> None:
        if stop.is_set():
            raise _Stopped
        advance(round(size * share))

    def extract() -> _Done:
        go_on(0)
        lacking = [way for way in ways if not way.folder.is_done(path)]
        for way in lacking:
            way.folder.paths.visual(video_name(path), 0)  # says at once where the lists do not have the video
        made = _features([way.extractor for way in lacking], path, go_on)
        for way, features in zip(lacking, made, strict=True):
            way.folder.save(path, features)
        seconds, sound = float(made[0].starts[-1]), any(features.audio is not None for features in made)
        return _Done(len(made[0].starts) - 1, made[0].frames, seconds, sound, made[0].warnings)

    return attempt(path, extract)


def _features(extractors: Sequence[Extractor], path: Path, advance: Callable[[float], object]) -> list[VideoFeatures]:
    if len(extractors) == 1:
        return [extractors[0].extract(path, advance)]
    return extract_together(extractors, path, advance)


def _settle(path: Path, done: _Done | Failure, outcome: Outcome) -> None:
    """Notes and prints what became of a video."""
    if isinstance(done, Failure):
        outcome.failed[path] = done.reason
        print(f"{video_name(path)}: failed", file=sys.stderr, flush=True)
        return
    outcome.extracted += 1
    outcome.frames += done.frames
    outcome.video_seconds += done.seconds
    outcome.warned += bool(done.warnings)
    sound = "with sound" if done.sound else "without sound"
    notes = "".join(f"; {note}" for note in done.warnings)
    print(f"{video_name(path)}: {done.snippets} snippets {sound}{notes}", flush=True)


def summary(outcome: Outcome, extractors: Sequence[Extractor]) -> str:
    """The outcome in words: counts, speed, where the time went, peak memory, and every failure again."""
    lines = [f"{outcome.extracted} videos extracted, {outcome.kept} were there already, {len(outcome.failed)} failed"]
    if outcome.warned:
        lines[0] += f"; {outcome.warned} with a warning"
    if outcome.extracted:
        wall, frames = outcome.wall_seconds, outcome.frames
        spent = {stage: sum(extractor.seconds[stage] for extractor in extractors) for stage in STAGES}
        shares = ", ".join(f"{stage} {100 * s / wall:.0f} %" for stage, s in spent.items())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        lines.append(
            f"{frames} frames in {wall:.1f} s: {frames / wall:.0f} frames/s, {outcome.video_seconds / wall:.1f} x real "
            f"time, on {extractors[0].device} in {extractors[0].precision}"
        )
        lines.append(f"of that time: {shares} (decoding runs beside the network); peak memory {memory:.2f} GiB")
    lines += [f"failed: {error}" for error in outcome.failed.values()]
    return "\n".join(lines)
