"""Resident and memory-mapped features give the same batches; padding is zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.data.store import FeatureStore, Samples, Sequence2D, on_device
from tests.plain.network import stretch_means

RAM = torch.device("cpu")
PACKED = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)


@st.composite
def sequences(draw: st.DrawFn) -> list[Sequence2D | None]:
    one = st.integers(0, 299).flatmap(lambda s: st.builds(Sequence2D, st.just(s), st.integers(1, 300 - s)))
    return draw(st.lists(st.none() | one, min_size=1, max_size=6))


def expected(sequence: Sequence2D | None, segments: int) -> np.ndarray:
    out = np.zeros((segments, 5))
    if sequence:
        rows = stretch_means(PACKED[sequence.start : sequence.start + sequence.length], segments)
        out[: len(rows)] = rows
    return out


@settings(max_examples=40, deadline=None)
@given(sequences(), st.integers(1, 40), st.data())
def test_memory_and_disk_give_the_same_batches(
    wanted: list[Sequence2D | None], segments: int, data: st.DataObject
) -> None:
    index = np.array(data.draw(st.lists(st.integers(0, len(wanted) - 1), min_size=1, max_size=8)))
    stores = [FeatureStore(PACKED, wanted, segments, device) for device in (RAM, None)]
    resident, mapped = (store.gather(index, store.segments) for store in stores)
    assert torch.equal(resident, mapped)
    assert resident.dtype == torch.float32
    for row, i in zip(resident, index):
        np.testing.assert_allclose(row.numpy(), expected(wanted[i], segments), rtol=1e-5, atol=1e-6)
    for store in stores:
        lengths = [min(s.length, segments) if (s := wanted[i]) else 0 for i in index]
        assert store.lengths(index).tolist() == lengths


def test_a_memory_mapped_float16_array(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", PACKED.astype(np.float16))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    wanted = [Sequence2D(0, 3), Sequence2D(3, 100)]
    ram, disk = (FeatureStore(mapped, wanted, 8, device).gather(np.array([1, 0]), 8) for device in (RAM, None))
    assert torch.equal(ram, disk)
    torch.testing.assert_close(ram[1, :3], torch.from_numpy(PACKED[:3]), rtol=1e-3, atol=1e-3)


def test_a_sequence_that_several_samples_share_lies_in_memory_once() -> None:
    shared = Sequence2D(10, 6)
    store = FeatureStore(PACKED, [shared, shared, None, shared], 8, RAM)
    assert store.rows is not None
    assert store.rows.shape == (7, 5)
    assert torch.equal(store.gather(np.array([0]), store.segments)[0], store.gather(np.array([3]), store.segments)[0])


@pytest.mark.parametrize("device", [RAM, None])
def test_a_batch_is_padded_masked_and_says_who_is_heard(device: torch.device | None) -> None:
    visual = FeatureStore(PACKED, [Sequence2D(0, 2), Sequence2D(2, 50), Sequence2D(52, 8)], 8, device)
    audio = FeatureStore(PACKED[:, :3], [Sequence2D(0, 2), None, Sequence2D(2, 8)], 8, device)
    labels = torch.eye(3)
    batch = Samples(visual, audio, labels).batch(np.array([2, 0, 1]))
    assert batch.mask.sum(dim=1).tolist() == [8, 2, 8]
    assert batch.mask[1].tolist() == [True, True] + [False] * 6
    assert batch.has_audio is not None
    assert batch.audio is not None
    assert batch.has_audio.tolist() == [True, True, False]
    assert not batch.audio[2].any()
    assert not batch.visual[~batch.mask].any()
    assert not batch.audio[~batch.mask].any()
    assert torch.equal(batch.labels, labels[[2, 0, 1]])
    assert batch.abnormal.tolist() == [True, False, True]
    silent = Samples(visual, None, labels).batch(np.array([0]))
    assert silent.audio is None
    assert silent.has_audio is None


def test_arrays_go_to_their_device() -> None:
    array = np.array([[True, False]])
    assert on_device(array, torch.device("cpu")).tolist() == array.tolist()
    assert on_device(array, torch.device("meta")).device.type == "meta"
