"""Where a video's features come from: the video itself, or files that were extracted before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmvad.benchmarks.benchmark import SNIPPET_FRAMES
from mmvad.errors import UserError
from mmvad.features.joining import join_audio
from mmvad.features.npy import load_rows, read_header

if TYPE_CHECKING:
    from mmvad.features.extract import Extractor

_CROP = re.compile(r"__\d+$")


@dataclass(frozen=True)
class Source:
    """One video's features.

    Attributes:
        crops: visual features [n, d] by crop; files give one crop, of whatever number.
        audio: [n, d_a], or None.
        edges: seconds at which the snippets begin, and the last one's end: float64 [n + 1].
        media: the video itself, where it is at hand.
    """

    name: str
    crops: dict[int, np.ndarray]
    audio: np.ndarray | None
    edges: np.ndarray
    media: Path | None
    notes: tuple[str, ...] = ()


def from_video(path: Path, extractor: Extractor) -> Source:
    """Extracts a video's features. Raises UserError where it cannot be read."""
    found = extractor.extract(path)
    return Source(path.stem, found.visual, found.audio, found.starts, path, found.warnings)


def from_files(visual: Path, audio: Path | None, frames_per_second: float, media: Path | None) -> Source:
    """Reads precomputed features; snippet i lies at 16 i / `frames_per_second` seconds.

    Args:
        visual: .npy of [n, d], one crop.
        audio: .npy of [n, d_a] (one row more or less is joined), or None.
        media: the video itself, for frames and page.

    Raises UserError, naming the file, for what is no such array or does not fit the other.
    """
    rows = np.asarray(load_rows(read_header(visual)), dtype=np.float32)
    sound = None
    if audio is not None:
        sound = join_audio(np.asarray(load_rows(read_header(audio)), dtype=np.float32), len(rows), audio, visual)
    edges = np.arange(len(rows) + 1) * SNIPPET_FRAMES / frames_per_second
    return Source(feature_name(visual), {0: rows}, sound, edges, media)


def feature_name(path: Path) -> str:
    """The video's name from its visual file's: without the crop's number of the public layout."""
    return _CROP.sub("", path.stem)


def audio_file(place: Path | None, name: str) -> Path | None:
    """The sound of the video of that name: the file itself, or NAME__vggish.npy or NAME.npy in a folder.

    Raises UserError where there is no such place; None where the folder has none.
    """
    if place is None or place.is_file():
        return place
    if not place.is_dir():
        raise UserError(place, "no such file or folder", expected="audio features (.npy), or a folder of them")
    return next((file for file in (place / f"{name}__vggish.npy", place / f"{name}.npy") if file.is_file()), None)
