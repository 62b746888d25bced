"""I3D releases come into a bank as CLIP's do: one file a crop, with or without a number for crop 0, or one a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import Bank, open_bank
from mmvad.errors import UserError
from mmvad.releases.checking import check
from mmvad.releases.importing import import_release
from mmvad.releases.layouts import STACKED_CROPS
from tests.releases.by_hand import UCF_TEST, UCF_TRAIN, XD_TEST, XD_TRAIN, Hand, rows, save, write_ucf, write_xd

UCF_VIDEOS = [name.split("/")[1] for name in (*UCF_TRAIN, *UCF_TEST)]


@pytest.fixture
def xd_i3d(tmp_path: Path) -> Path:
    """XD-Violence's: RGB/ and RGBTest/, five crops, 1024 columns; lists and sound as ever."""
    root = write_xd(tmp_path / "xd", crops=0).root
    for split, folder, names in (("train", "RGB", XD_TRAIN), ("test", "RGBTest", XD_TEST)):
        for old in root.glob(f"XD{split.title()}ClipFeatures"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        for i, name in enumerate(names):
            for k in range(5):
                save(root / folder / f"{name}__{k}.npy", rows(5 + i, 1024, 10 * i + k))
    return root


def ucf_lists(root: Path) -> Path:
    """The lists of a small UCF-Crime without its CLIP files."""
    write_ucf(root)
    for file in (root / "UCFClipFeatures").rglob("*.npy"):
        file.unlink()
    for folder in [*(root / "UCFClipFeatures").iterdir(), root / "UCFClipFeatures"]:
        folder.rmdir()
    return root


@pytest.fixture
def ucf_by_crop(tmp_path: Path) -> Path:
    """One file a crop in two flat folders; crop 0 with a number in one video, without in the others."""
    root = ucf_lists(tmp_path / "ucf")
    for i, video in enumerate(UCF_VIDEOS):
        for k in range(10):
            ending = f"__{k}" if k or i == 1 else ""
            save(root / ("Train" if i < 2 else "Test") / f"{video}{ending}.npy", rows(4 + i, 1024, 10 * i + k))
    return root


@pytest.fixture
def ucf_stacked(tmp_path: Path) -> Path:
    root = ucf_lists(tmp_path / "ucf")
    for i, video in enumerate(UCF_VIDEOS):
        crops = [rows(4 + i, 2048, 10 * i + k) for k in range(STACKED_CROPS)]
        save(root / "UCF_ten_crop_i3d" / f"{video}_i3d.npy", np.stack(crops, axis=1))
    return root


def imported(benchmark: str, source: Path, out: Path, **options: object) -> Bank:
    return open_bank(import_release(benchmark, source, out, subset=True, progress=False, **options))  # type: ignore[arg-type]


def test_xd(xd_i3d: Path, tmp_path: Path) -> None:
    bank = imported("xd_violence", xd_i3d, tmp_path / "bank")
    assert (bank.train.visual_width, bank.train.audio_width) == (1024, 128)
    assert bank.manifest["how"]["features"] == "I3D"
    for split, names in ((bank.train, XD_TRAIN), (bank.test, XD_TEST)):
        for video in split.videos:
            i = names.index(video.name)
            for k in range(5):
                np.testing.assert_array_equal(split.visual_rows(video, k), rows(5 + i, 1024, 10 * i + k))


@pytest.mark.parametrize(("layout", "width"), [("ucf_by_crop", 1024), ("ucf_stacked", 2048)])
def test_ucf(layout: str, width: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    source = request.getfixturevalue(layout)
    assert check("ucf_crime", source, subset=True, progress=False) == []
    bank = imported("ucf_crime", source, tmp_path / "bank")
    assert bank.train.visual_width == width
    found = [(split, video) for split in (bank.train, bank.test) for video in split.videos]
    assert sorted(video.name for _, video in found) == sorted(UCF_VIDEOS)
    for split, video in found:
        i = UCF_VIDEOS.index(video.name)
        assert video.crops == tuple(range(10))
        for k in range(10):
            np.testing.assert_array_equal(split.visual_rows(video, k), rows(4 + i, width, 10 * i + k))


def test_some_crops_of_a_stacked_file(ucf_stacked: Path, tmp_path: Path) -> None:
    bank = imported("ucf_crime", ucf_stacked, tmp_path / "bank", crops=[0, 9])
    assert {v.crops for v in bank.train.videos} == {(0, 9)}
    assert {v.crops for v in bank.test.videos} == {(0, 5, 9)}


def test_a_stacked_file_of_another_shape_or_cut_off(ucf_stacked: Path, tmp_path: Path) -> None:
    file = next(ucf_stacked.rglob("Arson001_x264_i3d.npy"))
    np.save(file, rows(5, 2048, 0))
    with pytest.raises(UserError, match=r"Arson001_x264_i3d.npy: an array \[5, 2048\] of 2 axes"):
        imported("ucf_crime", ucf_stacked, tmp_path / "bank")
    (finding,) = check("ucf_crime", ucf_stacked, subset=True, progress=False)  # not one a crop
    assert finding.video.endswith("Arson001_x264")
    np.save(file, np.zeros((5, 10, 2048), np.float32))
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(UserError, match="truncated"):
        imported("ucf_crime", ucf_stacked, tmp_path / "bank")


def test_nan_in_one_crop_is_found(ucf_stacked: Path, tmp_path: Path) -> None:
    file = next(ucf_stacked.rglob("Arson001_x264_i3d.npy"))
    array = np.load(file)
    array[3, 7, 0] = np.nan
    np.save(file, array)
    with pytest.raises(UserError, match="nan in row 3"):
        imported("ucf_crime", ucf_stacked, tmp_path / "bank")


def test_widths_that_differ_within_a_release(ucf_by_crop: Path, tmp_path: Path) -> None:
    save(ucf_by_crop / "Train" / f"{UCF_VIDEOS[1]}__3.npy", rows(5, 2048, 0))
    with pytest.raises(UserError, match="2048 columns"):
        imported("ucf_crime", ucf_by_crop, tmp_path / "bank")


def test_where_both_layouts_lie_the_named_one_is_taken(xd: Hand, tmp_path: Path) -> None:
    for folder, names in (("RGB", XD_TRAIN), ("RGBTest", XD_TEST)):
        for i, name in enumerate(names):
            save(xd.root / folder / f"{name}__0.npy", rows(5 + i, 1024, i))
    assert imported("xd_violence", xd.root, tmp_path / "clip").train.visual_width == 512
    assert imported("xd_violence", xd.root, tmp_path / "i3d", layout="i3d").train.visual_width == 1024


def test_a_missing_i3d_folder_draws_its_tree(xd_i3d: Path, tmp_path: Path) -> None:
    (xd_i3d / "RGBTest").rename(xd_i3d / "RGB_Test")
    with pytest.raises(UserError) as caught:
        imported("xd_violence", xd_i3d, tmp_path / "bank")
    assert "no I3D feature release" in str(caught.value)
    assert "did you mean: the folder RGB_Test/" in str(caught.value)
