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

from mmvad.extraction.extractor import Extractor
from mmvad.extraction.folder import FeatureFolder
from mmvad.extraction.video_files import video_name
from mmvad.system.attempts import Failure, attempt
from mmvad.system.progress import progress_bar


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


def extract_all(videos: Sequence[Path], extractor: Extractor, folder: FeatureFolder, workers: int = 1) -> Outcome:
    """Extracts what is not finished, `workers` videos at a time; returns what became of each.

    Raises DiskFullError, and KeyboardInterrupt, when the videos under way have stopped; finished ones stay.
    """
    began, outcome, stop = time.perf_counter(), Outcome(), threading.Event()
    pending = [path for path in videos if not folder.is_done(path)]
    outcome.kept = len(videos) - len(pending)
    sizes = {path: path.stat().st_size if path.is_file() else 0 for path in pending}
    with (
        progress_bar("extracting", sum(sizes.values()), in_bytes=True) as advance,
        ThreadPoolExecutor(max_workers=workers) as pool,
    ):
        try:
            tasks = {pool.submit(_one, path, sizes[path], extractor, folder, stop, advance): path for path in pending}
            for task in as_completed(tasks):
                _settle(tasks[task], task.result(), outcome)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    folder.close()
    outcome.wall_seconds = time.perf_counter() - began
    return outcome


def _one(
    path: Path,
    size: int,
    extractor: Extractor,
    folder: FeatureFolder,
    stop: threading.Event,
    advance: Callable[[int], object],
) -> _Done | Failure:
    """What is kept of the video, or why it failed."""

    def go_on(share: float) -> None:
        if stop.is_set():
            raise _Stopped
        advance(round(size * share))

    def extract() -> _Done:
        go_on(0)
        folder.paths.visual(video_name(path), 0)  # says at once where the lists do not have the video
        features = extractor.extract(path, go_on)
        folder.save(path, features)
        seconds, sound = float(features.starts[-1]), features.audio is not None
        return _Done(len(features.starts) - 1, features.frames, seconds, sound, features.warnings)

    return attempt(path, extract)


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


def summary(outcome: Outcome, extractor: Extractor) -> str:
    """The outcome in words: counts, speed, where the time went, peak memory, and every failure again."""
    lines = [f"{outcome.extracted} videos extracted, {outcome.kept} were there already, {len(outcome.failed)} failed"]
    if outcome.warned:
        lines[0] += f"; {outcome.warned} with a warning"
    if outcome.extracted:
        wall, frames = outcome.wall_seconds, outcome.frames
        shares = ", ".join(f"{stage} {100 * s / wall:.0f} %" for stage, s in extractor.seconds.items())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        lines.append(
            f"{frames} frames in {wall:.1f} s: {frames / wall:.0f} frames/s, {outcome.video_seconds / wall:.1f} x real "
            f"time, on {extractor.device} in {extractor.precision}"
        )
        lines.append(f"of that time: {shares} (decoding runs beside the network); peak memory {memory:.2f} GiB")
    lines += [f"failed: {error}" for error in outcome.failed.values()]
    return "\n".join(lines)
