"""Training steps as a run takes them: gathers, network, losses and optimiser under Lightning, on drawn features."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch.nn import functional as F
from torch.utils.data import DataLoader

from mmvad.benchmarks.registry import benchmark
from mmvad.config.schema import Config
from mmvad.data.datamodule import loader_of
from mmvad.data.sampling import EpochSampler
from mmvad.data.store import FeatureStore, Samples, Sequence2D
from mmvad.models.model import Batch
from mmvad.models.text_encoder import TextEncoder, build_text_encoder
from mmvad.system.device import Device
from mmvad.training.build import Widths
from mmvad.training.module import AnomalyModule
from mmvad.training.trainer import make_trainer
from tools.bench.made import SHORTEST

WIDTHS = Widths(512, 128)
"""Of CLIP's and VGGish's features."""
DISTINCT, SAMPLES, CROPS = 3328, 33_280, 10
"""Drawn feature sequences, the samples of an epoch that they serve in turn, and how many crops a video has."""


@dataclass(frozen=True)
class Trained:
    """What training took.

    Attributes:
        seconds: a step, gather and Lightning with it.
        first: seconds until the first step had ended, compilation with it.
        memory: highest memory on the device above what was there before, in bytes; 0 on a CPU.
    """

    seconds: float
    first: float
    memory: int


def train_steps(
    config: Config, position: Device, *, resident: bool = True, compiled: bool = False, warm: int = 6, steps: int = 20
) -> Trained:
    """Trains `warm` (two or more) and then `steps` steps of a configuration, on features that lie there or in RAM.

    Raises ValueError where an epoch's end would be among them.
    """
    clock = _Clock(warm, steps)
    memory = train(config, position, clock, warm + steps, resident=resident, compiled=compiled)
    begun, first, start, end = clock.times
    return Trained((end - start) / steps, first - begun, memory)


def train(config: Config, position: Device, watch: Callback, steps: int, *, resident: bool, compiled: bool) -> int:
    """Trains on drawn features, for so many steps of one epoch: bytes at the highest."""
    lightning.seed_everything(config.seed, verbose=False)
    encoder = copy.deepcopy(random_text(config.model.text.architecture)) if config.uses_text else None
    runtime = config.runtime.model_copy(update={"compile": "on" if compiled else "off"})
    module = AnomalyModule(config.model_copy(update={"runtime": runtime}), WIDTHS, encoder)
    loader = drawn_loader(config, position, resident=resident)
    if steps > len(loader):
        raise ValueError(f"{steps} steps: an epoch of {config.model.name} has {len(loader)}")
    before, clip = _peak_from_here(position.torch), config.optim.gradient_clip or None
    trainer = make_trainer(
        position, max_epochs=-1, max_steps=steps, callbacks=[watch], logger=False, gradient_clip_val=clip
    )
    trainer.fit(module, loader)
    return torch.cuda.max_memory_allocated() - before if position.torch.type == "cuda" else 0


def drawn_loader(config: Config, position: Device, *, resident: bool = True) -> DataLoader[Batch]:
    """An epoch of drawn batches as training gets them there."""
    samples = drawn_samples(config, position.torch if resident else torch.device("cpu"))
    samples = samples._replace(pinned=not resident and position.torch.type == "cuda")
    abnormal = samples.labels[:: samples.crops, 0].numpy() == 0
    sampler = EpochSampler(abnormal, config.data.batch_size, config.seed, config.data.balanced)
    return loader_of(samples, sampler)


class _Clock(Callback):
    """The times of the start, and of the ends of the first step, the last warm one and the last."""

    def __init__(self, warm: int, steps: int) -> None:
        self.ends = {1, warm, warm + steps}
        self.times: list[float] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.note(pl_module)

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *rest: Any) -> None:
        if trainer.global_step in self.ends:
            self.note(pl_module)

    def note(self, module: lightning.LightningModule) -> None:
        wait_for(module.device)
        self.times.append(time.perf_counter())


def wait_for(device: torch.device) -> None:
    """Until what was given to it is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def drawn_samples(config: Config, device: torch.device) -> Samples:
    """Unit features of sequences of 30 to L snippets, every second video normal."""
    data, classes = config.data, len(benchmark(config.benchmark).classes)
    crops = CROPS if data.crops == "together" else 1
    visual, audio = (_store(data.segment_length, data.segments, w, device) for w in (WIDTHS.visual, WIDTHS.audio))
    kind = torch.arange(SAMPLES // crops)
    kind = torch.where(kind % 2 == 0, 0, 1 + kind % (classes - 1)).repeat_interleave(crops)
    return Samples(visual, audio if config.uses_audio else None, F.one_hot(kind, classes).float(), crops)


@cache
def _store(length: int, how: str, width: int, device: torch.device) -> FeatureStore:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(8 * length, width)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    lengths = draw.integers(min(SHORTEST, length), length + 1, DISTINCT)
    starts = draw.integers(0, len(rows) - length, DISTINCT)
    sequences = [Sequence2D(int(s), int(n)) for s, n in zip(starts, lengths)]
    return FeatureStore(rows, SAMPLES // DISTINCT * sequences, length, device, how=how)


@cache
def random_text(architecture: str) -> TextEncoder:
    """The text tower with random weights, made once a process."""
    width = WIDTHS.visual if architecture == "tiny" else None
    return build_text_encoder(architecture, "random", width)


def _peak_from_here(device: torch.device) -> int:
    """Bytes in use on the device; its peak counts anew."""
    if device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()
