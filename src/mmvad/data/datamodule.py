"""The LightningDataModule: a bank and a configuration in, batches out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mmvad.bank.bank import Bank, BankVideo
from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.schema import Config
from mmvad.data.look_ahead import NO_LIMIT, Span, span_of
from mmvad.data.opening import bank_of
from mmvad.data.sampling import EpochSampler, held_out
from mmvad.data.segments import Chunk
from mmvad.data.splits import Serving, check_held_out, chunk_samples, training_samples
from mmvad.data.store import Samples, Sequence2D
from mmvad.errors import UserError
from mmvad.models.model import Batch
from mmvad.system.prefetch import prefetched
from mmvad.system.progress import track

CHUNKS_A_BATCH = 32


class GatherDataset(Dataset[Batch]):
    """Indexed with arrays of sample numbers, gives whole batches: one gather each."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return self.samples.size

    def __getitem__(self, index: np.ndarray) -> Batch:
        return self.samples.batch(index)


class OrderedSampler:
    """Consecutive runs of `size` samples, in order."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size

    def __len__(self) -> int:
        return -(-self.count // self.size)

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, self.count, self.size):
            yield np.arange(start, min(start + self.size, self.count))


class ScoringSet(NamedTuple):
    """Videos to score chunk by chunk; `span` says how they were cut."""

    videos: Sequence[BankVideo]
    samples: Samples
    chunks: list[Chunk]
    span: Span

    def loader(self) -> DataLoader[Batch]:
        size = 1 if self.samples.tight else CHUNKS_A_BATCH  # whole videos differ too much to be padded to one length
        return loader_of(self.samples, OrderedSampler(len(self.chunks), size))


class FeatureDataModule(lightning.LightningDataModule):
    """Serves one bank: training crops, held-out training videos, and the test split in chunks of L.

    What is asked for is read on first use, and `setup` asks for what a stage needs: testing alone reads no training
    features.

    Args:
        bank: opened before; by default the one at `data.bank`.
        device: where training takes place; by default where the trainer is.
    """

    def __init__(self, config: Config, bank: Bank | None = None, device: torch.device | None = None) -> None:
        super().__init__()
        self.config, self.benchmark = config, benchmark_named(config.benchmark)
        self.bank = bank or bank_of(config)
        self._device = device

    def setup(self, stage: str | None = None) -> None:
        """Reads what Lightning's stage needs. Raises UserError where the bank does not fit the configuration."""
        if stage in {None, "fit"}:
            _ = self.train_samples
        if stage in {None, "fit", "validate"}:
            _ = self.held_out, self.selection_sets
        if stage in {None, "test", "predict"}:
            _ = self.test_sets

    @cached_property
    def serving(self) -> Serving:
        """How and where features are served."""
        config, device = self.config, self._device or self._trainers_device()
        resident = resident_device(config, self.bank, device)
        return Serving(
            config.data.segment_length,
            config.data.audio if config.uses_audio else "none",
            resident,
            _track_long,
            config.data.segments,
            config.data.crops,
            config.data.test_span,
            pinned=device.type == "cuda" and resident != device,
        )

    def _trainers_device(self) -> torch.device:
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    @cached_property
    def held_out(self) -> tuple[list[BankVideo], list[BankVideo]]:
        """The training split's videos to train on, and those held out."""
        share, videos = self.config.data.validation_share, self.bank.train.videos
        out = held_out([v.labels for v in videos], share, self.config.seed)
        trained = [v for v, is_held_out in zip(videos, out, strict=True) if not is_held_out]
        held = [v for v, is_held_out in zip(videos, out, strict=True) if is_held_out]
        check_held_out(held, len(videos), share, self.benchmark)
        return trained, held

    @property
    def train_videos(self) -> list[BankVideo]:
        """The training split less the held-out videos."""
        return self.held_out[0]

    @cached_property
    def train_samples(self) -> Samples:
        return training_samples(self.bank.train, self.train_videos, self.benchmark, self.serving)

    @cached_property
    def validation(self) -> ScoringSet | None:
        """The held-out videos, or None; in the tested crop where they have it, without a limited look-ahead."""
        return self._held_out_set(span_of(self.config)._replace(look_ahead=NO_LIMIT))

    @cached_property
    def validation_as_tested(self) -> ScoringSet | None:
        """The same with the test's look-ahead, for thresholds that are put to use under it."""
        return self.validation if self.config.data.look_ahead < 0 else self._held_out_set(span_of(self.config))

    @cached_property
    def test(self) -> ScoringSet:
        """The test split in the tested crop."""
        return self._scoring_set(self.bank.test.videos, "test", self.config.data.test_crop)

    def train_dataloader(self) -> DataLoader[Batch]:
        samples = self.train_samples
        abnormal = samples.labels[:: samples.crops, 1:].sum(dim=1).numpy() > 0
        data = self.config.data
        sampler = EpochSampler(abnormal, data.batch_size, self.config.seed, data.balanced)
        return loader_of(samples, sampler)

    def train_batches(self) -> Iterator[Batch]:
        """Every training sample once, in order, one a batch: for what a model fits before training."""
        samples = self.train_samples
        return (samples.batch(np.array([i])) for i in range(samples.size))

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        """Of each of the `selection_sets`, then of the `audit_sets`."""
        return [scored.loader() for scored in (*self.selection_sets, *self.audit_sets)]

    def test_dataloader(self) -> list[DataLoader[Batch]]:
        """Of each of the `test_sets`."""
        return [tested.loader() for tested in self.test_sets]

    predict_dataloader = test_dataloader

    @property
    def selection_sets(self) -> list[ScoringSet]:
        """What a checkpoint is chosen on: held-out videos, or the sets that are tested where `select` says so."""
        if self.config.select == "best_test":
            return self.test_sets
        return [self.validation] if self.validation else []

    @property
    def audit_sets(self) -> list[ScoringSet]:
        """What an audit has scored after every epoch: the test split, and held-out videos where they choose nothing."""
        if not self.config.runtime.audit:
            return []
        unused = self.config.select == "best_test" and self.validation is not None
        return [self.test, *([self.validation] if unused and self.validation else [])]

    @cached_property
    def test_sets(self) -> list[ScoringSet]:
        """The test split, once for the tested crop or for each crop (`quirks.all_crops`)."""
        return self.crop_sets if self.config.quirks.all_crops else [self.test]

    @cached_property
    def crop_sets(self) -> list[ScoringSet]:
        """The test split once for each crop."""
        videos, own = self.bank.test.videos, self.config.data.test_crop
        odd = next((v for v in videos if v.crops != videos[0].crops), None)
        if odd is not None:
            raise UserError(
                f"quirks.all_crops: {odd.name} has the crops {odd.crops}",
                f"{videos[0].name} has {videos[0].crops}",
                expected="the same crops of every test video",
                fix="import the missing crops, or set quirks.all_crops=off",
            )
        return [self.test if c == own else self._scoring_set(videos, "test", c) for c in videos[0].crops]

    def _held_out_set(self, span: Span) -> ScoringSet | None:
        crop, (_, held) = self.config.data.test_crop, self.held_out
        if not held:
            return None
        return self._scoring_set(held, "train", crop if crop in held[0].crops else held[0].crops[0], span)

    def _scoring_set(self, videos: Sequence[BankVideo], split: str, crop: int, span: Span | None = None) -> ScoringSet:
        packed, span = self.bank.test if split == "test" else self.bank.train, span or span_of(self.config)
        return ScoringSet(videos, *chunk_samples(packed, videos, self.benchmark, self.serving, crop, span), span)


def resident_device(config: Config, bank: Bank, device: torch.device) -> torch.device | None:
    """Where the features lie while training: the GPU, RAM (`cpu`), or None for the disk, as `runtime.resident` says.

    `auto` takes the GPU, then RAM, where the features in float32 take at most 60 % of what is free.
    """
    requested = config.runtime.resident
    if requested != "auto":
        return {"gpu": device, "ram": torch.device("cpu"), "disk": None}[requested]
    bytes_needed = 4 * sum(
        s.visual.size + (s.audio.size if s.audio is not None else 0) for s in (bank.train, bank.test)
    )
    if device.type == "cuda" and bytes_needed < 0.6 * torch.cuda.mem_get_info(device)[0]:
        return device
    return torch.device("cpu") if bytes_needed < 0.6 * _free_memory() else None


def _free_memory() -> int:
    """Bytes that the system can still give without swapping; 0 where it does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 0


def loader_of(samples: Samples, sampler: Any) -> DataLoader[Batch]:
    """Batches in the sampler's order, one gather each; those for a GPU that lie elsewhere are made a batch ahead."""
    # worker processes would copy what one gather already has; what goes to a GPU goes there while it computes
    kind = AheadLoader if samples.pinned else DataLoader
    return kind(GatherDataset(samples), sampler=sampler, batch_size=None, num_workers=0, pin_memory=samples.pinned)


class AheadLoader(DataLoader[Batch]):
    """While a batch is computed on, a thread gathers and pins the next; the batches are those of a plain loader."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        batches = super().__iter__()
        return prefetched((batch for batch in batches), depth=1)


def _track_long(sequences: Sequence[Sequence2D]) -> Iterable[Sequence2D]:
    return track(sequences, "reading features", len(sequences)) if len(sequences) > 2000 else sequences
