"""What the bench works on: models and batches with the benchmarks' own settings, drawn, not downloaded."""

from __future__ import annotations

import contextlib
import io
import tempfile
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmvad.bank.bank import open_bank
from mmvad.benchmarks.benchmark import Benchmark, Event
from mmvad.benchmarks.registry import benchmark
from mmvad.config.load import load_config
from mmvad.config.schema import Config
from mmvad.data.datamodule import FeatureDataModule
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.models.dual_stream_model import DualStreamModel
from mmvad.models.model import Batch
from mmvad.synthetic.planted import write_planted
from mmvad.training.build import Widths, build_model, build_text

SHORTEST = 30
"""Of a video, in segments; lengths are uniform from here to L."""
SNIPPETS_A_VIDEO = 182
"""Of XD-Violence's test videos in the mean."""


def configuration(file: str, *overrides: str) -> Config:
    """A base configuration of the checkout, with random text weights."""
    root = Path(__file__).resolve().parents[2]
    return load_config([root / "experiments" / f"{file}.yaml"], ["model.text.weights=random", *overrides])


def dual_stream(config: Config, visual_width: int = 512, audio_width: int = 128) -> DualStreamModel:
    """The untrained network of a configuration for features of these widths, in training mode."""
    widths, spec = Widths(visual_width, audio_width), benchmark(config.benchmark)
    torch.manual_seed(config.seed)
    model = build_model(config, widths, spec, build_text(config, widths))
    assert isinstance(model, DualStreamModel)
    return model.train()


def batch(
    size: int,
    length: int,
    classes: int,
    *,
    visual: int = 512,
    audio: int = 128,
    seed: int = 0,
    shortest: int = SHORTEST,
) -> Batch:
    """Videos of unit features, lengths uniform in 30..L, half of them normal; without sound where `audio` is 0."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(min(shortest, length), length + 1, (size,), generator=draw)
    mask = torch.arange(length) < lengths[:, None]
    labels = torch.zeros(size, classes)
    labels[torch.arange(size), torch.where(torch.arange(size) % 2 == 0, 1 + torch.arange(size) % (classes - 1), 0)] = 1

    def features(width: int) -> Tensor:
        own, common = torch.randn(size, length, width, generator=draw), torch.randn(size, 1, width, generator=draw)
        return torch.nn.functional.normalize(own + common, dim=-1) * mask.unsqueeze(-1)

    has_audio = torch.ones(size, dtype=torch.bool)
    return Batch(features(visual), features(audio) if audio else None, has_audio if audio else None, mask, labels)


def planted_batches(config: Config, size: int, count: int) -> list[Batch]:
    """The first training batches of the demo: its bank is made aside, and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="mmvad-bench-") as folder, contextlib.redirect_stdout(io.StringIO()):
        write_planted(Path(folder) / "bank", config.seed, overwrite=False)
        config = config.model_copy(update={"data": config.data.model_copy(update={"batch_size": size})})
        bank = open_bank(Path(folder) / "bank")
        data = FeatureDataModule(config, bank, torch.device("cpu"))
        loader = data.train_dataloader()
        return list(islice(chain.from_iterable(repeat(loader)), count))


def scored_videos(spec: Benchmark, videos: int, seed: int = 0) -> list[ScoredVideo]:
    """Scored test videos as long and eventful as XD-Violence's: log-normal lengths, 5 in 8 abnormal, smooth scores."""
    draw = np.random.default_rng(seed)
    lengths = np.maximum(draw.lognormal(0, 0.9, videos) * SNIPPETS_A_VIDEO / np.exp(0.405), 4).astype(int)
    return [_scored(spec, position, int(n), draw) for position, n in enumerate(lengths)]


def _scored(spec: Benchmark, position: int, snippets: int, draw: np.random.Generator) -> ScoredVideo:
    keys = [key for key in spec.class_keys if key != spec.normal]
    events: tuple[Event, ...] = ()
    label = (spec.normal,)
    if position % 8 < 5:
        label = (keys[position % len(keys)],)
        ends = np.sort(draw.integers(0, 16 * snippets, (int(draw.integers(1, 5)), 2)), axis=1)
        events = tuple(Event(label[0], int(start), int(end) + 1) for start, end in ends)
    noise = draw.normal(size=(snippets + 8, len(spec.class_keys) + 1)).cumsum(axis=0)
    smooth = 0.3 * (noise[8:] - noise[:-8])
    probabilities = np.exp(smooth[:, 1:]) / np.exp(smooth[:, 1:]).sum(axis=1, keepdims=True)
    intervals = tuple((e.start, e.end) for e in events)
    coarse = (1 / (1 + np.exp(-smooth[:, 0]))).astype(np.float32)
    return ScoredVideo(f"v{position:06d}", label, events, intervals, coarse, probabilities.astype(np.float32))
