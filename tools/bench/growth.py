"""How time and memory grow with L, classes, batch and videos, and the exponents that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from mmvad.models.dual_stream import DualStream, NetworkSettings
from mmvad.models.dual_stream_model import DualStreamModel
from mmvad.models.model import Batch
from mmvad.models.temporal import TemporalSettings
from mmvad.models.text_encoder import build_text_encoder
from tools.bench.figures import metric_growth
from tools.bench.files import import_growth
from tools.bench.made import batch, configuration
from tools.bench.timing import cost, exponent

WIDTH = 128
"""Of the growth's features: a quarter of the real ones, so that the largest step ends in seconds."""


@dataclass(frozen=True)
class Growth:
    """Seconds and bytes over a size, and the exponents of a power law through them."""

    name: str
    over: str
    sizes: list[int]
    seconds: list[float]
    memory: list[int]

    @property
    def time_exponent(self) -> float:
        return exponent(self.sizes, self.seconds)

    @property
    def memory_exponent(self) -> float | None:
        return exponent(self.sizes, self.memory) if all(self.memory) else None


def growths(quick: bool) -> Iterator[Growth]:
    """Everything that the issue of scale asks for, one after the other."""
    axes = {"L": [64, 128, 256, 512, 1024], "classes": [7, 14, 28, 56, 100], "batch": [32, 64, 128, 256, 512]}
    if quick:
        axes = {"L": [32, 64], "classes": [7, 14], "batch": [8, 16]}
    for over, sizes in axes.items():
        for name, run in (("step", train_once), ("test pass", score_once)):
            spent = [cost(_prepared(over, size, run)) for size in sizes]
            yield Growth(name, over, sizes, [c.wall for c in spent], [c.memory for c in spent])
    videos = [50, 100] if quick else [500, 5000, 50_000]
    for name, series in (("metrics", metric_growth(videos)), ("import", import_growth(videos))):
        sizes, seconds, memory = (list(column) for column in zip(*series, strict=True))
        yield Growth(name, "videos", sizes, seconds, memory)


def _prepared(over: str, size: int, run: Callable[[DualStreamModel, Batch], None]) -> Callable[[], None]:
    """A run of one size; the first one, which pays for what is set up once, is done."""
    length, classes, videos = (
        size if over == name else other for name, other in (("L", 128), ("classes", 7), ("batch", 16))
    )
    torch.manual_seed(0)
    settings = NetworkSettings(
        WIDTH, WIDTH, length, TemporalSettings("local_gcn", 1, 1, 8, 0.5), "gated", "pre_post", "score", 10, 0.07, 0.5
    )
    names = [f"{word} of a kind" for word in _words(classes)]
    network = DualStream(settings, build_text_encoder("tiny", "random", WIDTH), names)
    model = DualStreamModel(network, configuration("xd_violence").loss)
    inputs = batch(videos, length, classes, visual=WIDTH, audio=WIDTH)
    run(model, inputs)
    return lambda: run(model, inputs)


def _words(count: int) -> list[str]:
    return [f"{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(count)]


def train_once(model: DualStreamModel, inputs: Batch) -> None:
    model.train()
    model.zero_grad()
    model.losses(model(inputs), inputs)["total"].backward()


def score_once(model: DualStreamModel, inputs: Batch) -> None:
    model.eval()
    with torch.no_grad():
        model.scores(model(inputs))
