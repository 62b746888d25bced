"""The data module: what is trained on, what is held out, what is scored, and where the features lie."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mmvad.bank.bank import Bank, open_bank
from mmvad.benchmarks.registry import PLANTED
from mmvad.config.schema import Config, Data, Model, Quirks, Runtime, Text
from mmvad.data import datamodule
from mmvad.data.datamodule import AheadLoader, FeatureDataModule, GatherDataset, OrderedSampler, resident_device
from mmvad.errors import UserError
from tests.small import write_bank

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return open_bank(write_bank(tmp_path_factory.mktemp("datamodule") / "bank"))


def config(
    modalities: str = "vat", select: str = "last", resident: str = "ram", seed: int = 0, **data: object
) -> Config:
    options: dict[str, object] = {"segment_length": 8, "batch_size": 6} | data
    return Config(
        modalities=modalities,
        select=select,
        seed=seed,
        model=Model(text=Text(architecture="tiny", weights="random")),
        data=Data(**options),
        runtime=Runtime(resident=resident),
    )


def module(bank: Bank, **options: object) -> FeatureDataModule:
    data = FeatureDataModule(config(**options), bank, CPU)  # type: ignore[arg-type]
    data.setup()
    return data


def names(videos: object) -> set[str]:
    return {video.name for video in videos}  # type: ignore[attr-defined]


def test_without_a_share_everything_is_trained_on(bank: Bank) -> None:
    data = module(bank)
    assert names(data.train_videos) == names(bank.train.videos)
    assert data.validation is None
    assert data.val_dataloader() == []


def test_held_out_videos_are_whole_videos_of_both_kinds(bank: Bank) -> None:
    data = module(bank, validation_share=0.3)
    assert data.validation is not None
    held = names(data.validation.videos)
    assert held
    assert held.isdisjoint(names(data.train_videos))
    assert held | names(data.train_videos) == names(bank.train.videos)
    assert len(data.train_samples.labels) == 2 * len(data.train_videos)
    assert {v.labels == ("normal",) for v in data.validation.videos} == {True, False}
    again = module(bank, validation_share=0.3)
    assert again.validation is not None
    assert names(again.validation.videos) == held


def test_training_batches_show_every_crop_once(bank: Bank) -> None:
    loader = module(bank).train_dataloader()
    batches = list(loader)
    assert [len(b.mask) for b in batches] == [6, 6, 6, 6, 4]
    rows = torch.cat([b.visual[:, 0] for b in batches])
    assert len(rows.unique(dim=0)) == 2 * len(bank.train.videos)


def test_balanced_batches(bank: Bank) -> None:
    batches = list(module(bank, balanced=True).train_dataloader())
    assert all(2 * int(b.abnormal.sum()) == len(b.mask) for b in batches)


def test_test_loader_gives_the_chunks_in_order(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datamodule, "CHUNKS_A_BATCH", 3)
    data = module(bank)
    batches = list(data.test.loader())
    assert max(len(b.mask) for b in batches) == 3
    found = torch.cat([b.visual[b.mask] for b in batches]).numpy()
    wanted = np.concatenate([bank.test.visual_rows(v, 0) for v in bank.test.videos])
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("crop", [0, 1])
def test_the_test_crop_is_the_configured_one(bank: Bank, crop: int) -> None:
    (batch,) = list(module(bank, test_crop=crop, segment_length=40).test.loader())
    first = bank.test.videos[0]
    np.testing.assert_array_equal(batch.visual[0, : first.snippets].numpy(), bank.test.visual_rows(first, crop))


def test_what_a_checkpoint_is_chosen_on(bank: Bank) -> None:
    by_test = module(bank, select="best_test")
    assert by_test.selection_sets == [by_test.test]
    by_validation = module(bank, select="best_val", validation_share=0.3)
    assert by_validation.selection_sets == [by_validation.validation]
    assert module(bank).selection_sets == []


def test_without_a_in_the_modalities_no_sound_is_read(tmp_path: Path) -> None:
    silent = open_bank(write_bank(tmp_path / "bank", silent=["all"]))
    data = module(silent, modalities="vt")
    assert data.train_samples.audio is None
    with pytest.raises(UserError, match=r"data\.audio"):
        module(silent, modalities="vat")
    assert module(silent, modalities="vat", audio="optional").train_samples.audio is None


def test_a_test_crop_that_is_not_there(bank: Bank) -> None:
    with pytest.raises(UserError, match=r"data\.test_crop: 7"):
        module(bank, test_crop=7)


def test_where_features_lie(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resident_device(config(resident="ram"), bank, CPU) == CPU
    assert resident_device(config(resident="disk"), bank, CPU) is None
    assert resident_device(config(resident="auto"), bank, CPU) == CPU
    monkeypatch.setattr(datamodule, "_free_memory", lambda: 1000)
    assert resident_device(config(resident="auto"), bank, CPU) is None


def test_held_out_videos_of_one_kind_are_refused(bank: Bank) -> None:
    """One normal video cannot be held out, and without it every figure of the held-out ones is empty."""
    kinds = {kind: [v for v in bank.train.videos if (v.labels == (PLANTED.normal,)) is kind] for kind in (True, False)}
    keep = [*kinds[False], kinds[True][0]]
    lonely = replace(bank, train=replace(bank.train, videos=tuple(keep)))
    with pytest.raises(UserError, match="held-out videos are abnormal"):
        module(lonely, validation_share=0.3)


def test_all_crops_need_the_same_crops_of_every_test_video(bank: Bank) -> None:
    first, *others = bank.test.videos
    uneven = replace(bank, test=replace(bank.test, videos=(replace(first, crops=(*first.crops, 7)), *others)))
    asked = config().model_copy(update={"quirks": Quirks(all_crops=True)})
    with pytest.raises(UserError, match=r"quirks\.all_crops"):
        FeatureDataModule(asked, uneven, CPU).setup("test")


def test_batches_made_ahead_are_those_of_a_plain_loader(bank: Bank) -> None:
    data = GatherDataset(module(bank).train_samples)
    plain, ahead = (
        kind(data, sampler=OrderedSampler(len(data), 5), batch_size=None) for kind in (DataLoader, AheadLoader)
    )
    for _ in range(2):
        for found, wanted in zip(ahead, plain, strict=True):
            tensors = [(f, w) for f, w in zip(found, wanted, strict=True) if isinstance(w, torch.Tensor)]
            assert len(tensors) == 5
            assert all(torch.equal(f, w) for f, w in tensors)
    next(iter(ahead))  # an epoch that is not gone through leaves no thread behind
    assert [t for t in threading.enumerate() if t.name.startswith("ThreadPool")] == []


def test_an_error_in_a_batch_made_ahead_reaches_who_waits_for_it(bank: Bank) -> None:
    data = GatherDataset(module(bank).train_samples)
    batches = iter(AheadLoader(data, sampler=[np.array([0]), np.array([10_000])], batch_size=None))
    next(batches)
    with pytest.raises(IndexError):
        next(batches)
