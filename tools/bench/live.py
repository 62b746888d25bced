"""A stream through `mmvad watch`'s own parts: frames a second of a file, and the delay of scores at a camera's pace."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.benchmarks.registry import DEMO_CLIPS
from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.demo.render import render
from mmvad.demo.script import RATE, write_scripts
from mmvad.demo.tour import demo_config
from mmvad.extraction.extractor import Extractor
from mmvad.extraction.settings import TINY, VGGISH, ExtractionSettings
from mmvad.live.alarms import Hysteresis
from mmvad.live.hearing import warm_up
from mmvad.live.lines import Lines
from mmvad.live.reading import Reader
from mmvad.live.scoring import run_scorer
from mmvad.live.source import stream_source
from mmvad.live.telling import Teller
from mmvad.live.watching import Outlets, Watch
from mmvad.predict.trained import TrainedRun
from mmvad.runs import RunFolder
from mmvad.system.device import training_device
from mmvad.training.build import Widths
from mmvad.training.module import AnomalyModule
from tools.bench.timing import Row, cost

TOWERS = {"small towers": (TINY, TINY), "ViT-B/16 and VGGish": ("ViT-B-16-quickgelu", VGGISH)}
SECONDS = 20
LOOK_AHEAD = 2.0


def watch_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """Two rows for each pair of towers, with random weights; the network is the demo's, not trained.

    A clip of the demo (320 x 240, 24 frames/s, AAC) once as fast as it goes, once as a camera sends it. Delays are from
    a snippet's last frame to its score, with the look-ahead of LOOK_AHEAD seconds in them.
    """
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        script = write_scripts(0)[0]
        clip = render(replace(script, frames=round(RATE * (2 if quick else SECONDS))), Path(folder))
        for name, (visual, audio) in TOWERS.items() if not quick else [*TOWERS.items()][:1]:
            extractor = Extractor(_settings(visual, audio))
            run = _untrained(extractor, Path(folder))
            yield _row(f"watch a file, {name}", clip, extractor, run, paced=False)
            yield _row(f"watch a camera, {name}", clip, extractor, run, paced=True)


def _settings(visual: str, audio: str) -> ExtractionSettings:
    return ExtractionSettings(visual_tower=visual, visual_weights="random", audio_tower=audio, audio_weights="random")


def _untrained(extractor: Extractor, folder: Path) -> TrainedRun:
    """The demo's network for these towers' rows."""
    assert extractor.sound is not None
    config, widths = demo_config(folder, folder, 0), Widths(extractor.image.width, extractor.sound.width)
    module, position = AnomalyModule(config, widths), training_device("cpu", "auto", 0)
    place = RunFolder(folder)
    return TrainedRun(place, folder, config, DEMO_CLIPS, widths, "", module, position, None, folder, None)


def _row(name: str, clip: Path, extractor: Extractor, run: TrainedRun, *, paced: bool) -> Row:
    began = time.monotonic()

    def at_its_pace(picture: Any) -> None:
        time.sleep(max(0.0, began + picture.seconds - time.monotonic()))

    look = at_its_pace if paced else None
    reader = Reader(stream_source(str(clip)), extractor, Teller(_nowhere), timeout=0.3, drop=paced, look=look)
    rule = Hysteresis(1.0, 0.8, 1.0)  # no alarm: what an alarm costs is its user's
    watch = Watch(reader, run_scorer(run, LOOK_AHEAD), rule, _outlets(), Teller(_nowhere), live=False)
    spent = cost(watch.run)
    watch.finish()
    frames, notes = SNIPPET_FRAMES * watch.counts.snippets, dict[str, float | str]()
    if paced:
        median, high = np.quantile(watch.counts.delays, (0.5, 0.95))
        notes = {"delay s": float(median), "95 % s": float(high), "dropped": watch.counts.dropped}
    return Row("watch", name, spent.wall, spent.cpu, spent.memory, amount=frames, unit="frames", notes=notes)


def _outlets() -> Outlets:
    class Silent(Lines):
        def write(self, event: Any) -> None:
            pass

    return Outlets(Silent(None, _nowhere))


def _nowhere(text: str) -> None:
    pass
