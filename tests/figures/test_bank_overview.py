"""A bank at a glance: its table, the classes, mean features, the principal plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from mmvad.bank.bank import Bank, open_bank
from mmvad.benchmarks.registry import PLANTED
from mmvad.benchmarks.timeline import frame_truth
from mmvad.figures.bank_overview import class_counts, principal_plane, video_means, video_table
from tests.small import write_bank


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return open_bank(write_bank(tmp_path_factory.mktemp("overview") / "bank", silent=["test01"]))


def test_the_table_has_every_video(bank: Bank) -> None:
    table = video_table(bank)
    assert table.groupby("split").size().to_dict() == {"train": 14, "test": 8}
    for video in bank.test.videos:
        row = table[(table["split"] == "test") & (table["video"] == video.name)].iloc[0]
        assert (row["snippets"], row["crops"], row["sound"]) == (video.snippets, 2, video.name != "test01")
        assert row["seconds"] == pytest.approx(video.snippets * 16 / 24)
        assert row["abnormal_share"] == pytest.approx(frame_truth(video.intervals, 16 * video.snippets).mean())
        assert row["normal"] == (video.labels == ("normal",))
    assert table.loc[table["split"] == "train", "abnormal_share"].isna().all()


def test_classes_count_in_each_of_their_videos(bank: Bank) -> None:
    table = video_table(bank)
    counts = class_counts(table, PLANTED.class_keys)
    assert list(counts.index) == list(PLANTED.class_keys)
    assert counts["test"].sum() == 8
    assert counts.loc["abuse"].sum() == 0
    double = class_counts(table.assign(classes="riot+abuse"), PLANTED.class_keys)
    assert double.loc[["riot", "abuse"], "train"].tolist() == [14, 14]


def test_means_are_over_the_first_crop(bank: Bank) -> None:
    videos, means = video_means(bank, "test")
    assert means.shape == (8, bank.test.visual_width)
    np.testing.assert_allclose(means[3], bank.test.visual_rows(videos[3], 0).mean(axis=0), rtol=1e-5)
    with_sound, sounds = video_means(bank, "test", "audio")
    assert [v.name for v in with_sound] == [v.name for v in videos if v.name != "test01"]
    assert sounds.shape == (7, bank.test.audio_width)


def test_a_bank_without_sound_has_no_means_of_it(tmp_path: Path) -> None:
    videos, means = video_means(open_bank(write_bank(tmp_path / "bank", silent=["all"])), "test", "audio")
    assert (len(videos), means.size) == (0, 0)


def test_the_plane_is_scikit_learns() -> None:
    points = np.random.default_rng(3).normal(size=(40, 6)) * [5, 3, 1, 1, 1, 1]
    plane, shares = principal_plane(points)
    reference = PCA(2).fit(points)
    np.testing.assert_allclose(np.abs(plane), np.abs(reference.transform(points)), atol=1e-9)
    np.testing.assert_allclose(shares, reference.explained_variance_ratio_, atol=1e-12)
    np.testing.assert_array_equal(principal_plane(points.copy())[0], plane)


@pytest.mark.parametrize("points", [np.ones((4, 3)), np.ones((1, 3)), np.arange(5.0)[:, None]])
def test_flat_points_are_no_error(points: np.ndarray) -> None:
    plane, shares = principal_plane(points)
    assert plane.shape == (len(points), 2)
    assert np.isfinite(plane).all()
    assert np.isfinite(shares).all()
