"""python -m tools.mutations.videos [--seed 0] [--count 2000]: damaged videos, through extraction, in its net.

Small videos of several containers, with sound, are damaged at random: bytes flipped, zeroed, scrambled, cut out, said
twice, the end cut off. Networks are replaced by means, since it is reading that is tried.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np

from mmvad.errors import UserError
from mmvad.extraction.extractor import Extractor, VideoFeatures, small_extractor
from mmvad.extraction.thumbnails import frames_at
from mmvad.system.attempts import Failure, attempt
from tests.extraction.videos import Track, moving_pictures, noise, write_video

KINDS = {
    "a.ts": ("libx264", "aac", {}),
    "b.mp4": ("libx264", "aac", {}),
    "c.mp4": ("libx264", "aac", {"movflags": "faststart"}),
    "d.mkv": ("libx264", "aac", {"cluster_time_limit": "500"}),
    "e.avi": ("mpeg4", "mp2", {}),
    "f.ts": ("mpeg2video", "mp2", {}),
    "g.flv": ("libx264", "aac", {}),
}
"""By name: codecs of picture and sound, options of the container."""
SECONDS = 3
SLOW = 30.0
"""Seconds that nothing so small may take."""


def run(seed: int, count: int) -> Counter[str]:
    """Counts by outcome of so many mutations.

    `as undamaged`, `noted`, `other, unsaid` (features differ without a note), `refused` (a clear error).
    And those that must not be: `unforeseen: ...` (the net held what nobody thought of), `wrong: ...` and `slow`.
    """
    extractor, counts = _means(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        whole = {name: _write(Path(folder) / name, *kind) for name, kind in KINDS.items()}
        known = {name: extractor.extract(path) for name, path in whole.items()}
        data = {name: path.read_bytes() for name, path in whole.items()}
        for number in range(count):
            draw = np.random.default_rng((seed, number))
            name = list(KINDS)[number % len(KINDS)]
            path = Path(folder) / f"{number}{whole[name].suffix}"
            path.write_bytes(mutated(data[name], draw))
            found = _outcome(path, extractor, known[name])
            counts[found] += 1
            if found.startswith(("unforeseen", "wrong", "slow")):
                print(f"seed {seed}, number {number} ({name}): {found}", flush=True)
            path.unlink()
    return counts


def mutated(data: bytes, draw: np.random.Generator) -> bytes:
    """The bytes, damaged once or twice."""
    changed = data
    for _ in range(int(draw.integers(1, 3))):
        damage = _DAMAGES[int(draw.integers(len(_DAMAGES)))]
        begin = int(draw.integers(max(len(changed), 1)))
        end = min(begin + int(draw.integers(1, max(len(changed) // 3, 2))), len(changed))
        changed = damage(changed, begin, end, draw)
    return changed


def _flipped(data: bytes, begin: int, end: int, draw: np.random.Generator) -> bytes:
    values = np.frombuffer(data, np.uint8).copy()
    places = draw.integers(len(values), size=int(draw.integers(1, 200))) if len(values) else np.array([], int)
    values[places] = draw.integers(0, 256, len(places))
    return values.tobytes()


def _zeroed(data: bytes, begin: int, end: int, draw: np.random.Generator) -> bytes:
    return data[:begin] + bytes(end - begin) + data[end:]


def _scrambled(data: bytes, begin: int, end: int, draw: np.random.Generator) -> bytes:
    return data[:begin] + draw.bytes(end - begin) + data[end:]


def _cut_out(data: bytes, begin: int, end: int, draw: np.random.Generator) -> bytes:
    return data[:begin] + data[end:]


def _said_twice(data: bytes, begin: int, end: int, draw: np.random.Generator) -> bytes:
    return data[:end] + data[begin:]


def _cut_off(data: bytes, begin: int, end: int, draw: np.random.Generator) -> bytes:
    return data[:begin]


_DAMAGES: tuple[Callable[[bytes, int, int, np.random.Generator], bytes], ...] = (
    _flipped,
    _zeroed,
    _scrambled,
    _cut_out,
    _said_twice,
    _cut_off,
)


def _outcome(path: Path, extractor: Extractor, undamaged: VideoFeatures) -> str:
    def work() -> str:
        try:
            found = extractor.extract(path)
            frames_at(path, [0.0, found.starts[-1] / 2, found.starts[-1]], 32)
        except UserError:
            return "refused"
        return _judged(found, undamaged)

    began = time.perf_counter()
    done = attempt(path.name, work)
    if time.perf_counter() - began > SLOW:
        return "slow"
    return f"unforeseen: {done.reason.partition(': ')[2]}" if isinstance(done, Failure) else done


def _judged(found: VideoFeatures, undamaged: VideoFeatures) -> str:
    parts = _parts(found)
    if any(len(rows) != len(found.starts) - 1 for rows in parts[1:]):
        return "wrong: rows of different numbers"
    if not all(np.isfinite(part).all() for part in parts):
        return "wrong: not finite"
    if (np.diff(found.starts) < 0).any():
        return "wrong: snippets that begin before the one before"
    if found.warnings != undamaged.warnings:
        return "noted"
    whole = _parts(undamaged)
    same = len(parts) == len(whole) and all(map(np.array_equal, parts, whole))
    return "as undamaged" if same else "other, unsaid"


def _parts(features: VideoFeatures) -> list[np.ndarray]:
    """When snippets begin, and their rows of picture and sound."""
    return [features.starts, features.visual[0], *([] if features.audio is None else [features.audio])]


def _means() -> Extractor:
    """An extractor whose networks are means."""
    extractor = small_extractor(batch=8)
    means: tuple[Any, Any] = (extractor.image, extractor.sound)
    means[0].network = lambda images: images.mean(dim=(2, 3)).repeat(1, 43)[:, :128]
    means[1].network = lambda examples: examples.mean(dim=(1, 2)).repeat(1, 2)
    return extractor


def _write(path: Path, video: str, audio: str, options: dict[str, str]) -> Path:
    """A small video with noise for its sound."""
    track = Track(noise(SECONDS, 44_100), 44_100, codec=audio)
    return write_video(path, moving_pictures(SECONDS * 25, 64, 48), 25, tracks=[track], codec=video, options=options)


def main() -> int:
    """Prints the counts; 1 where anything came out that must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--count", type=int, default=2000, help="(%(default)s)")
    options = parser.parse_args()
    av.logging.set_level(None)
    counts = run(options.seed, options.count)
    for outcome, number in counts.most_common():
        print(f"{number:7d}  {outcome}")
    return int(any(outcome.startswith(("unforeseen", "wrong", "slow")) for outcome in counts))


if __name__ == "__main__":
    sys.exit(main())
