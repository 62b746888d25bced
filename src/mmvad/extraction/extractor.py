"""From a video file to features: snippets of 16 frames through CLIP, windows of sound through VGGish, on one clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

import mmvad
from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.extraction.clip import build_image_encoder
from mmvad.extraction.container import decoder_version
from mmvad.extraction.crops import POLICIES, crop_frame
from mmvad.extraction.media import MediaInfo, pictures, probe
from mmvad.extraction.snippets import Sample, Sampling, Snippets
from mmvad.extraction.soundtrack import NO_SOUND, sound
from mmvad.extraction.vggish import AudioEncoder, build_audio_encoder, example
from mmvad.extraction.waveform import RATE, resampled, snippet_ends, tick_ends, tick_of_snippet, windows
from mmvad.system.device import torch_device, tower_precision
from mmvad.system.prefetch import prefetched

AudioWindow = Literal["end", "tick"]
STAGES = ("network", "decode", "sound")
SOUND_SHARE = 0.1
"""Of a video's work, as the progress has it."""
SOUND_MAY_MISS = 1.0
"""Seconds by which the sound may end before the picture without a word."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class ExtractionSettings:
    """How features are made; the defaults are the public releases' network and one centre crop.

    Attributes:
        architecture: CLIP's image tower, `ViT-B-16-quickgelu` or `tiny`.
        clip_weights: `openai`, a local file, or `random`.
        vggish_weights: `published`, a local file, or `random`.
        vggish_pca: `published` or a local file for AudioSet's post-processing; None for VGGish's own output.
        sampling: a snippet's centre frame, or the mean over its 16 frames.
        crops: 1 (open_clip's own preprocessing) or 10 (as the public releases).
        audio: whether sound is extracted.
        audio_window: windows that end with their snippet, or torchvggish's grid, joined by time.
        audio_track: counted from 0.
        batch: images a call of the network.
        tiny_width: of the features of `tiny`.
    """

    architecture: str = "ViT-B-16-quickgelu"
    clip_weights: str = "openai"
    vggish_weights: str = "published"
    vggish_pca: str | None = None
    sampling: Sampling = "centre"
    crops: Literal[1, 10] = 1
    audio: bool = True
    audio_window: AudioWindow = "end"
    audio_track: int = 0
    device: str = "auto"
    precision: str = "auto"
    batch: int = 32
    tiny_width: int = 128


@dataclass(frozen=True)
class VideoFeatures:
    """One video's features.

    Attributes:
        visual: crop -> float32 [n, d].
        audio: float32 [n, 128], one row a snippet; None for a video without sound.
        starts: float64 [n + 1], the second at which each snippet begins, by the frames' own time stamps; the last one
            is where the last snippet ends.
        frames: how many were decoded.
        frames_per_second: the average over the file.
        warnings: what was wrong with the file, in words.
    """

    visual: dict[int, np.ndarray]
    audio: np.ndarray | None
    starts: np.ndarray
    frames: int
    frames_per_second: float
    warnings: tuple[str, ...] = ()


def no_progress(share: float) -> None:
    """Takes the share of a video that was worked through, and does nothing."""


class Steps:
    """How far a video is, from 0 to 1, told to `advance` in steps."""

    def __init__(self, advance: Callable[[float], object]) -> None:
        self.advance, self.reached = advance, 0.0

    def to(self, share: float) -> None:
        """The video is so far; it never goes back, nor beyond 1."""
        step = min(share, 1.0) - self.reached
        self.reached += max(step, 0.0)
        self.advance(max(step, 0.0))

    def part(self, begin: float, end: float) -> Callable[[float], object]:
        """Takes the share of one part of the work, which lies between these shares of the whole."""
        return lambda share: self.to(begin + min(share, 1.0) * (end - begin))


@dataclass
class Duration:
    """How many seconds of a waveform at 16 kHz were taken."""

    seconds: float = 0.0

    def through(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The same blocks."""
        for block in blocks:
            self.seconds += len(block) / RATE
            yield block


class Extractor:
    """Videos to features. Several threads may use one: they decode side by side and take turns at the networks.

    Attributes:
        seconds: where the time went, by stage: `network` (CLIP and VGGish), `decode` (frames and crops, in a thread of
            its own), `sound` (decoding, resampling, spectrograms).

    Raises UserError where weights or the device cannot be had.
    """

    def __init__(self, settings: ExtractionSettings) -> None:
        self.settings = settings
        self.device = torch_device(settings.device, "--device")
        self.precision = tower_precision(settings.precision, self.device)
        chosen = (self.device, self.precision)
        self.image = build_image_encoder(settings.architecture, settings.clip_weights, settings.tiny_width, *chosen)
        self.sound: AudioEncoder | None = None
        if settings.audio:
            self.sound = build_audio_encoder(settings.vggish_weights, settings.vggish_pca, *chosen)
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self._turn = threading.Lock()

    def extract(self, path: Path, advance: Callable[[float], object] = no_progress) -> VideoFeatures:
        """The video's features, in memory that grows with the features alone.

        `advance` is told, after each batch of picture or sound, the share of the video that was worked through since
        the last; what it raises ends the extraction.
        Raises UserError, naming the file, where it cannot be read at all.
        """
        notes: list[str] = []
        info = probe(path)
        snippets, step = Snippets(self.settings.sampling), Steps(advance)
        uses_audio = self.settings.audio
        visual = self._visual(info, snippets, notes, step.part(0, 1 - SOUND_SHARE * uses_audio))
        starts = snippets.boundaries()
        audio = self._audio(path, starts, notes, step.part(1 - SOUND_SHARE, 1)) if uses_audio else None
        step.to(1)
        crops = {crop: np.ascontiguousarray(visual[:, crop]) for crop in range(self.settings.crops)}
        return VideoFeatures(crops, audio, starts, snippets.frames, info.frames_per_second, tuple(dict.fromkeys(notes)))

    def describe(self) -> dict[str, Any]:
        """How features are made, plain JSON values: what decides them, and the versions of what computes them."""
        settings, sound = self.settings, self.sound
        visual = {
            "network": f"CLIP image tower {settings.architecture} (open_clip)",
            "width": self.image.width,
            "weights": Path(settings.clip_weights).name,
            "weights_sha256": self.image.weights_sha256,
            "precision": self.precision,
            "snippet_frames": SNIPPET_FRAMES,
            "sampling": settings.sampling,
            "crops": settings.crops,
            "crop_policy": POLICIES[settings.crops],
        }
        audio = sound and {
            "network": "VGGish (torchvggish)",
            "width": 128,
            "weights": Path(settings.vggish_weights).name,
            "weights_sha256": sound.weights_sha256,
            "pca_sha256": sound.pca_sha256,
            "precision": self.precision,
            "sample_rate": RATE,
            "window_seconds": 0.96,
            "window": settings.audio_window,
            "track": settings.audio_track,
        }
        packages = {name: version(name) for name in ("torch", "open_clip_torch", "torchvggish", "resampy")}
        versions = {"mmvad": mmvad.__version__, **decoder_version(), **packages}
        return {"visual": visual, "audio": audio, "versions": versions}

    def _visual(
        self, info: MediaInfo, snippets: Snippets, notes: list[str], advance: Callable[[float], object]
    ) -> np.ndarray:
        """Features of all crops, float32 [n, crops, d]. Tells `advance` the share of the picture, from 0 to 1."""
        crops, rows = self.settings.crops, list[np.ndarray]()
        size = max(1, self.settings.batch // crops)
        with closing(prefetched(self._samples(info.path, snippets, notes), 2 * size)) as samples:
            for group in batches(samples, size):
                with self._network():
                    features = self.image.encode(np.concatenate([images for _, images in group]))
                for (sample, _), feature in zip(group, features.reshape(len(group), crops, -1)):
                    if sample.snippet == len(rows):
                        rows.append(np.zeros_like(feature))
                    rows[sample.snippet] += sample.share * feature
                advance(group[-1][0].shown.seconds / info.duration_seconds if info.duration_seconds else 0.0)
        return np.stack(rows)

    def _samples(
        self, path: Path, snippets: Snippets, notes: list[str]
    ) -> Generator[tuple[Sample, np.ndarray], None, None]:
        """The frames that count with their crops, uint8 [crops, 224, 224, 3]."""
        began = time.perf_counter()
        for sample in snippets.pick(pictures(path, notes)):
            images = crop_frame(sample.shown.rgb(), self.settings.crops)
            self.seconds["decode"] += time.perf_counter() - began
            yield sample, images
            began = time.perf_counter()

    def _audio(
        self, path: Path, starts: np.ndarray, notes: list[str], advance: Callable[[float], object]
    ) -> np.ndarray | None:
        """The sound's rows, one a snippet: float32 [n, 128]; None, and a note, without sound.

        Tells `advance` the share of the sound, from 0 to 1.
        """
        assert self.sound is not None
        track, taken = sound(path, self.settings.audio_track, notes), Duration()
        if track is None:
            return None
        blocks = taken.through(resampled(track.blocks, track.rate))
        first = next(blocks, None)
        if first is None:
            notes.append(NO_SOUND)
            return None
        tick = self.settings.audio_window == "tick"
        ends: list[int] = list(tick_ends(float(starts[-1]))) if tick else snippet_ends(starts)
        cut = windows(chain([first], blocks), ends, to_the_last=not tick)
        found = list[np.ndarray]()
        for rows in self._encoded(cut):
            found.append(rows)
            advance(sum(map(len, found)) / len(ends))
        if taken.seconds < starts[-1] - SOUND_MAY_MISS:
            notes.append(f"the sound ends at {taken.seconds:.1f} s of {starts[-1]:.1f} s: silence from there on")
        whole = np.concatenate(found)
        return whole[tick_of_snippet(starts, len(whole))] if tick else whole

    def _encoded(self, cut: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        began = time.perf_counter()
        for group in batches(map(example, cut), self.settings.batch):
            self.seconds["sound"] += time.perf_counter() - began
            with self._network():
                assert self.sound is not None
                rows = self.sound.encode(np.stack(group))
            yield rows
            began = time.perf_counter()

    @contextmanager
    def _network(self) -> Iterator[None]:
        """One thread's turn at the networks, timed."""
        with self._turn:
            began = time.perf_counter()
            yield
            self.seconds["network"] += time.perf_counter() - began


def small_extractor(**changes: Any) -> Extractor:
    """An extractor that needs no download: a small CLIP and the real VGGish, both with random weights.

    The weights are the same everywhere. `changes` replace fields of `ExtractionSettings`.
    """
    small = ExtractionSettings(architecture="tiny", clip_weights="random", vggish_weights="random")
    return Extractor(replace(small, **changes))


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, the last one shorter."""
    source = iter(items)
    while group := list(islice(source, size)):
        yield group
