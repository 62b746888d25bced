"""Extraction's towers beside a plain loop: decode, prepare and encode one row after the other, as public code does."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.demo.render import render
from mmvad.demo.script import RATE, write_scripts
from mmvad.extraction.extractor import Extractor, no_progress
from mmvad.extraction.settings import CLAP, TINY, VGGISH, ExtractionSettings
from tests.plain import extraction as plain_sound
from tests.plain import towers as plain
from tools.bench.timing import Row, compare

PICTURES = {
    TINY: 60,
    "timm/efficientnet_lite0": 60,
    "ViT-B-16-quickgelu": 12,
    "ViT-B-16-SigLIP2": 12,
    "ViT-L-14-quickgelu": 4,
    "torchvision/s3d": 6,
    "torchvision/r2plus1d_18": 4,
    "torchvision/mvit_v2_s": 4,
    "torchvision/swin3d_t": 4,
}
SOUND = {VGGISH: 60, CLAP: 12}
"""Snippets of a clip, fewer for the large ones: that a turn takes some seconds."""
QUICK = 2
Rows = Callable[[], np.ndarray]


def tower_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """A row for each tower, with random weights: frames a second of pictures, snippets a second of sound.

    The clip is one of the demo's (320 x 240, H.264, AAC). Notes say which share of our time the network takes, and how
    far rows are from the plain loop's.
    """
    with tempfile.TemporaryDirectory(prefix="mmvad-bench-") as folder:
        for tower, snippets in {TINY: QUICK}.items() if quick else PICTURES.items():
            yield _pictures(tower, _clip(Path(folder), snippets), repeats)
        for tower, snippets in {TINY: QUICK}.items() if quick else SOUND.items():
            if tower != CLAP or find_spec("transformers"):
                yield _sound(tower, _clip(Path(folder), snippets), snippets, repeats)


def _clip(folder: Path, snippets: int) -> Path:
    """A clip of so many whole snippets; one of that length is made once."""
    return render(replace(write_scripts(0)[0], frames=SNIPPET_FRAMES * snippets), folder / str(snippets))


def _extractor(visual: str, audio: str | None) -> Extractor:
    sound: dict[str, Any] = {
        "audio": audio is not None,
        "audio_tower": audio or TINY,
        "audio_weights": "random",
    }
    return Extractor(ExtractionSettings(visual_tower=visual, visual_weights="random", device="cpu", **sound))


def _pictures(tower: str, clip: Path, repeats: int) -> Row:
    extractor = _extractor(tower, None)
    image: Any = extractor.image
    transform = plain.transform_of(tower, image.how)
    row = _timed(
        f"pictures, {tower}",
        extractor,
        lambda: extractor.extract(clip).visual[0],
        lambda: plain.pictures(clip, image.network, transform, image.frames),
        repeats,
    )
    row.amount, row.unit = SNIPPET_FRAMES * float(row.notes["rows"]), "frames"
    return row


def _sound(tower: str, clip: Path, snippets: int, repeats: int) -> Row:
    extractor = _extractor(TINY, tower)
    listener, sound = extractor.listener(), extractor.sound
    network: Any = sound
    starts = np.arange(snippets + 1) * SNIPPET_FRAMES / RATE
    assert listener is not None

    def ours() -> np.ndarray:
        rows = listener.rows(clip, starts, [], no_progress)
        assert rows is not None
        return rows

    def loop() -> np.ndarray:
        ends = starts[1:].tolist()
        if tower == CLAP:
            return plain.clap(clip, network.network, network.features, ends, network.facts["window_seconds"])
        return plain_sound.ends(clip, network.network, ends)

    row = _timed(f"sound, {tower}", extractor, ours, loop, repeats)
    row.amount, row.unit = float(row.notes["rows"]), "snippets"
    return row


def _timed(name: str, extractor: Extractor, ours: Rows, loop: Rows, repeats: int) -> Row:
    """Ours and the loop in turns, the network's share of our time, and how far their rows are apart."""
    last, shares = dict[str, np.ndarray](), list[float]()

    def timed() -> None:
        before, began = extractor.seconds["network"], time.perf_counter()
        last["ours"] = ours()
        shares.append((extractor.seconds["network"] - before) / (time.perf_counter() - began))

    def looped() -> None:
        last["plain"] = loop()

    row = compare("towers", name, timed, looped, repeats)
    apart = float(np.abs(last["ours"] - last["plain"]).max() / np.abs(last["plain"]).max())
    share = f"{np.median(shares[1:]):.0%}"
    row.notes = {"rows": len(last["ours"]), "network's share": share, "rows apart by at most": apart}
    return row
