"""Where a video's features come from: the video itself, or files that were extracted before."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmvad.benchmarks.definition import RowSpan
from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.errors import UserError
from mmvad.extraction.snippets import fill
from mmvad.extraction.video_files import video_name
from mmvad.releases.arrays.axes import ROWS
from mmvad.releases.arrays.reading import load_rows, read_header
from mmvad.releases.joining import join_audio

if TYPE_CHECKING:
    from mmvad.extraction.extractor import Extractor
    from mmvad.extraction.media import MediaInfo

_CROP = re.compile(r"__(\d+)$")
SNIPPET = RowSpan(frames=SNIPPET_FRAMES)


@dataclass(frozen=True)
class Source:
    """One video's features.

    Attributes:
        crops: visual features [n, d] by crop.
        audio: [n, d_a], or None.
        edges: seconds at which the snippets begin, and the last one's end: float64 [n + 1].
        media: the video itself, where it is at hand.
        sought: the file of sound that was looked for and is not there.
    """

    name: str
    crops: dict[int, np.ndarray]
    audio: np.ndarray | None
    edges: np.ndarray
    media: Path | None
    notes: tuple[str, ...] = ()
    sought: Path | None = None


@dataclass(frozen=True)
class Request:
    """A video to be predicted.

    Attributes:
        files: everything that is read for it, but for the truth; the first one is what it is known by.
        read: gives its features; raises UserError where they cannot be had.
    """

    name: str
    files: tuple[Path, ...]
    read: Callable[[], Source]


def request_video(path: Path, extractor: Extractor) -> Request:
    """A video whose features are extracted."""
    return Request(video_name(path), (path,), lambda: from_video(path, extractor))


def request_files(
    name: str,
    visual: Mapping[int, Path],
    given: Path | None,
    media: Path | None,
    usual: float,
    fps: float | None,
    row: RowSpan = SNIPPET,
) -> Request:
    """A video whose features lie in files; the sound is what `audio_file` finds, the rest as in `from_files`."""
    audio = audio_file(given, name)
    sought = None if given is None or audio is not None else _audio_places(given, name)[0]
    beside = [path for path in (audio, media) if path is not None]

    def read() -> Source:
        return replace(from_files(name, visual, audio, media, usual, fps, row), sought=sought)

    return Request(name, (*visual.values(), *beside), read)


def from_video(path: Path, extractor: Extractor) -> Source:
    """Extracts a video's features. Raises UserError where it cannot be read."""
    found = extractor.extract(path)
    return Source(video_name(path), found.visual, found.audio, found.starts, path, found.warnings)


def from_files(
    name: str,
    visual: Mapping[int, Path],
    audio: Path | None,
    media: Path | None,
    usual: float,
    fps: float | None = None,
    row: RowSpan = SNIPPET,
) -> Source:
    """Reads precomputed features; snippet i lies at 16 i / rate seconds, or where the rows say otherwise.

    Args:
        visual: by crop, a file of [n, d].
        audio: a file of [n, d_a] (one row more or less is joined), or None.
        media: the video itself, for frames and page, and for its rate, if at that the features fill it.
        usual: the benchmark's frame rate.
        fps: the videos' frame rate by the user's own word.
        row: what a row stands for.

    Raises UserError, naming the file, for what is no such array or does not fit the others.
    """
    crops = {crop: _rows(path) for crop, path in visual.items()}
    first, count = next(iter(visual.items())), len(next(iter(crops.values())))
    for crop, rows in crops.items():
        if len(rows) != count:
            expected = f"{count}, as crop {first[0]} has ({first[1]})"
            raise UserError(visual[crop], f"{len(rows)} snippets", expected=expected)
    sound = None
    if audio is not None:
        sound = join_audio(_rows(audio), count, audio, first[1])
    if row != SNIPPET:
        seconds, notes = _row_seconds(row, count, fps or usual, media)
        return Source(name, crops, sound, np.arange(count + 1) * seconds, media, notes)
    rate, notes = _rate(count, usual, fps, media)
    return Source(name, crops, sound, np.arange(count + 1) * SNIPPET_FRAMES / rate, media, notes)


def _row_seconds(row: RowSpan, rows: int, rate: float, media: Path | None) -> tuple[float, tuple[str, ...]]:
    """How long a row lasts, and what a reader must know of it.

    Of rows that share a video the video must be at hand, or they are taken for snippets.
    """
    if row.seconds or row.frames:
        return row.seconds or (row.frames or 0) / rate, ()
    info = _probed(media)
    if info and info.duration_seconds:
        return info.duration_seconds / rows, ()
    unknown = f"a row is 1/{rows} of the video, whose length is not known: times count {SNIPPET_FRAMES} frames a row"
    return SNIPPET_FRAMES / rate, (f"{unknown}; give the video too",)


def _rows(path: Path) -> np.ndarray:
    return np.asarray(load_rows(read_header(path, axes=ROWS)), dtype=np.float32)


def _rate(snippets: int, usual: float, fps: float | None, media: Path | None) -> tuple[float, tuple[str, ...]]:
    """Frames a second, and what a reader must know of them: at the right rate the snippets fill the video."""
    rate, info = fps or usual, _probed(media)
    if info is None or not info.duration_seconds or fill(snippets, rate, info.duration_seconds):
        return rate, ()
    own = info.frames_per_second
    if fps is None and fill(snippets, own, info.duration_seconds):
        return own, (f"times are those of the video's own {own:.4g} frames/s, not of the benchmark's {usual:g}",)
    long = f"{snippets} snippets at {rate:g} frames/s last {snippets * SNIPPET_FRAMES / rate:.1f} s"
    return rate, (f"{long}, the video {info.duration_seconds:.1f} s: times may be wrong (--fps)",)


def _probed(media: Path | None) -> MediaInfo | None:
    """What the video says of itself; None where it is not at hand, or cannot be read: then the picture says so."""
    if media is None:
        return None
    from mmvad.extraction.media import probe

    try:
        return probe(media)
    except UserError:
        return None


def by_video(files: Sequence[Path]) -> dict[str, dict[int, Path]]:
    """Visual files by the video's name and the crop's number. Raises UserError for two of one name and crop."""
    videos: dict[str, dict[int, Path]] = {}
    for path in files:
        crop = _CROP.search(path.stem)
        name, number = (path.stem[: crop.start()], int(crop[1])) if crop else (path.stem, 0)
        other = videos.setdefault(name, {}).setdefault(number, path)
        if other != path:
            problem = f"is crop {number} of {name}, as {other} is"
            raise UserError(path, problem, expected="one file of each crop", fix="predict them one after the other")
    return videos


def audio_file(given: Path | None, name: str) -> Path | None:
    """The sound of the video of that name: the file itself, or NAME__vggish.npy or NAME.npy in a folder.

    Raises UserError where there is no such place; None where the folder has none.
    """
    if given is None or given.is_file():
        return given
    if not given.is_dir():
        raise UserError(given, "no such file or folder", expected="audio features (.npy), or a folder of them")
    return next((file for file in _audio_places(given, name) if file.is_file()), None)


def _audio_places(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}__vggish.npy", folder / f"{name}.npy"
