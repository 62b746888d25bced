"""From a bank's videos to samples: crops, stretches, chunks, labels, and what is asked of the sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmvad.bank.bank import Bank, BankVideo, open_bank
from mmvad.benchmarks.registry import PLANTED
from mmvad.data.look_ahead import Span
from mmvad.data.splits import Serving, chunk_samples, label_matrix, training_samples
from mmvad.errors import UserError
from tests.plain.network import stretch_means
from tests.small import write_bank

L = 8


def where(audio: str = "required", resident: bool = True) -> Serving:
    return Serving(L, audio, torch.device("cpu") if resident else None)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return open_bank(write_bank(tmp_path_factory.mktemp("splits") / "bank"))


@pytest.fixture(scope="module")
def partly_silent(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return open_bank(write_bank(tmp_path_factory.mktemp("splits") / "bank", silent=["train03", "test01"]))


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return open_bank(write_bank(tmp_path_factory.mktemp("splits") / "bank", silent=["all"]))


@pytest.mark.parametrize("resident", [True, False])
def test_training_has_one_sample_a_crop_of_stretch_means(bank: Bank, resident: bool) -> None:
    split = bank.train
    samples = training_samples(split, split.videos, PLANTED, where(resident=resident))
    batch = samples.batch(np.arange(len(samples.labels)))
    owners = [(video, crop) for video in split.videos for crop in video.crops]
    assert len(batch.visual) == len(owners) == 2 * len(split.videos)
    for b, (video, crop) in enumerate(owners):
        n = min(video.snippets, L)
        assert int(batch.mask[b].sum()) == n
        picture = stretch_means(split.visual_rows(video, crop), L)
        sound = stretch_means(split.audio_rows(video), L)
        np.testing.assert_allclose(batch.visual[b, :n].numpy(), picture, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(batch.audio[b, :n].numpy(), sound, rtol=1e-5, atol=1e-6)
        assert batch.labels[b].nonzero().flatten().tolist() == [PLANTED.class_keys.index(video.labels[0])]


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("crop", [0, 1])
def test_test_chunks_put_end_to_end_are_the_videos(bank: Bank, resident: bool, crop: int) -> None:
    split = bank.test
    samples, parts = chunk_samples(split, split.videos, PLANTED, where(resident=resident), crop, Span(L))
    batch = samples.batch(np.arange(len(parts)))
    for i, video in enumerate(split.videos):
        own = [b for b, part in enumerate(parts) if part.video == i]
        picture = torch.cat([batch.visual[b][batch.mask[b]] for b in own]).numpy()
        sound = torch.cat([batch.audio[b][batch.mask[b]] for b in own]).numpy()
        np.testing.assert_array_equal(picture, split.visual_rows(video, crop))
        np.testing.assert_array_equal(sound, split.audio_rows(video))


def test_labels_of_several_classes() -> None:
    def video(*labels: str) -> BankVideo:
        return BankVideo("v", labels, 3, (0,), 0, None, (), ())

    matrix = label_matrix([video("normal"), video("explosion", "riot"), video("abuse")], PLANTED)
    assert matrix.tolist() == [[1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 1], [0, 0, 0, 0, 1, 0, 0]]


def test_audio_required_names_the_first_silent_video(partly_silent: Bank, silent: Bank) -> None:
    with pytest.raises(UserError) as caught:
        training_samples(partly_silent.train, partly_silent.train.videos, PLANTED, where("required"))
    assert "train03" in str(caught.value)
    assert "1 of 14 videos have no sound" in str(caught.value)
    assert "data.audio=optional" in str(caught.value)
    with pytest.raises(UserError, match="14 of 14 videos have no sound"):
        training_samples(silent.train, silent.train.videos, PLANTED, where("required"))
    with pytest.raises(UserError, match="test01"):
        chunk_samples(partly_silent.test, partly_silent.test.videos, PLANTED, where("required"), 0, Span(L))


def test_audio_optional_closes_the_gate_of_silent_videos(partly_silent: Bank, silent: Bank) -> None:
    videos = partly_silent.train.videos
    samples = training_samples(partly_silent.train, videos, PLANTED, where("optional"))
    has_audio = samples.batch(np.arange(2 * len(videos))).has_audio
    assert has_audio is not None
    assert [videos[i // 2].name for i in (~has_audio).nonzero().flatten().tolist()] == ["train03", "train03"]
    nothing = training_samples(silent.train, silent.train.videos, PLANTED, where("optional"))
    assert nothing.audio is None


def test_audio_none_reads_no_sound(bank: Bank) -> None:
    samples = training_samples(bank.train, bank.train.videos, PLANTED, where("none"))
    assert samples.audio is None
    assert samples.batch(np.array([0])).has_audio is None


def test_a_crop_that_is_not_there(bank: Bank) -> None:
    with pytest.raises(UserError) as caught:
        chunk_samples(bank.test, bank.test.videos, PLANTED, where(), 5, Span(L))
    assert "data.test_crop: 5" in str(caught.value)
    assert "expected: one of 0, 1" in str(caught.value)


def test_crops_that_stand_together(bank: Bank) -> None:
    split = bank.train
    samples = training_samples(split, split.videos, PLANTED, replace(where(), crops="together"))
    batch = samples.batch(np.array([3, 1]))
    assert (samples.size, batch.crops, len(batch.mask)) == (len(split.videos), 2, 4)
    for row, (video, crop) in enumerate([(split.videos[3], 0), (split.videos[3], 1), (split.videos[1], 0)]):
        n = min(video.snippets, L)
        picture = stretch_means(split.visual_rows(video, crop), L)
        np.testing.assert_allclose(batch.visual[row, :n].numpy(), picture, rtol=1e-5, atol=1e-6)


def test_crops_that_differ_cannot_stand_together(bank: Bank) -> None:
    first, second, *_ = bank.train.videos
    with pytest.raises(UserError, match=r"data\.crops"):
        training_samples(bank.train, [first, replace(second, crops=(0,))], PLANTED, replace(where(), crops="together"))


def test_whole_videos_are_as_long_as_they_are(bank: Bank) -> None:
    how = replace(where(), test_span="whole", how="bins")
    samples, parts = chunk_samples(bank.test, bank.test.videos, PLANTED, how, 0, Span(None))
    for i, (video, part) in enumerate(zip(bank.test.videos, parts, strict=True)):
        batch = samples.batch(np.array([i]))
        assert (part.length, bool(batch.mask.all())) == (video.snippets, True)
        np.testing.assert_array_equal(batch.visual[0].numpy(), bank.test.visual_rows(video, 0))
