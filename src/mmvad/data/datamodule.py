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
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.config.schema import Config
from mmvad.data.sampling import EpochSampler, held_out
from mmvad.data.segments import Chunk
from mmvad.data.splits import Serving, chunk_samples, training_samples
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
    """Videos to score chunk by chunk; neighbouring chunks share `overlap` snippets."""

    videos: Sequence[BankVideo]
    samples: Samples
    chunks: list[Chunk]
    overlap: int = 0

    def loader(self) -> DataLoader[Batch]:
        size = 1 if self.samples.tight else CHUNKS_A_BATCH  # whole videos differ too much to be padded to one length
        return loader_of(self.samples, OrderedSampler(len(self.chunks), size))


class FeatureDataModule(lightning.LightningDataModule):
    """Serves one bank: training crops, held-out training videos, and the test split in chunks of L.

    Attributes:
        train_videos, validation: the training split less the held-out videos, and those as a scoring set (or None).
        test: the test split as a scoring set.
    """

    def __init__(self, config: Config, bank: Bank, benchmark: Benchmark, device: torch.device) -> None:
        super().__init__()
        self.config, self.bank, self.benchmark = config, bank, benchmark
        resident = resident_device(config, bank, device)
        self.placement = Serving(
            config.data.segment_length,
            config.data.audio if config.uses_audio else "none",
            resident,
            _track_long,
            config.data.segments,
            config.data.crops,
            config.data.test_span,
            pinned=device.type == "cuda" and resident != device,
        )
        out = held_out([v.labels for v in bank.train.videos], config.data.validation_share, config.seed)
        self.train_videos = [v for v, is_held_out in zip(bank.train.videos, out, strict=True) if not is_held_out]
        held_videos = [v for v, is_held_out in zip(bank.train.videos, out, strict=True) if is_held_out]
        if config.data.validation_share and not held_videos:
            raise UserError(
                f"data.validation_share: {config.data.validation_share}",
                f"of {len(bank.train.videos)} training videos none can be held out",
                expected="at least two training videos of a class",
                fix="set data.validation_share=0 and select=last, or take a larger bank",
            )
        kinds = {v.labels == (benchmark.normal,) for v in held_videos}
        if len(kinds) == 1:
            raise UserError(
                f"data.validation_share: {config.data.validation_share}",
                f"all {len(held_videos)} held-out videos are {'normal' if kinds.pop() else 'abnormal'}",
                expected="normal and abnormal ones, or no figure can be computed",
                fix="set data.validation_share higher, or take a larger bank",
            )
        self._train: Samples | None = None
        crop = config.data.test_crop
        self.test = self._scoring_set(bank.test.videos, "test", crop)
        self.validation = (
            self._scoring_set(held_videos, "train", crop if crop in held_videos[0].crops else held_videos[0].crops[0])
            if held_videos
            else None
        )

    @property
    def train_samples(self) -> Samples:
        """The training samples; made on first use, so that testing alone does not read them."""
        if self._train is None:
            self._train = training_samples(self.bank.train, self.train_videos, self.benchmark, self.placement)
        return self._train

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
        """Of each of the `selection_sets`."""
        return [chosen.loader() for chosen in self.selection_sets]

    @property
    def selection_sets(self) -> list[ScoringSet]:
        """What a checkpoint is chosen on: held-out videos, or the sets that are tested where `select` says so."""
        if self.config.select == "best_test":
            return self.test_sets
        return [self.validation] if self.validation else []

    @cached_property
    def test_sets(self) -> list[ScoringSet]:
        """The test split, once for the tested crop or for each crop (`quirks.all_crops`)."""
        if not self.config.quirks.all_crops:
            return [self.test]
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

    def _scoring_set(self, videos: Sequence[BankVideo], split: str, crop: int) -> ScoringSet:
        packed = self.bank.test if split == "test" else self.bank.train
        overlap = self.config.data.chunk_overlap
        samples, parts = chunk_samples(packed, videos, self.benchmark, self.placement, crop, overlap)
        return ScoringSet(videos, samples, parts, overlap)


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
