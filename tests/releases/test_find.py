from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mmvad.benchmarks.registry import benchmark
from mmvad.errors import UserError
from mmvad.releases.find import expected_tree, find_release
from mmvad.releases.layouts import LAYOUTS
from tests.releases.by_hand import UCF_TEST, UCF_TRAIN, XD_TEST, XD_TRAIN, Hand, write_ucf

XD = benchmark("xd_violence")
UCF = benchmark("ucf_crime")


def test_xd_names_with_odd_signs(xd: Hand) -> None:
    release = find_release(XD, xd.root)
    assert set(release.visual["train"]) == set(XD_TRAIN)
    assert set(release.visual["test"]) == set(release.audio["test"]) == set(XD_TEST)
    assert {k: path.name for k, path in release.visual["train"][XD_TRAIN[1]].items()} == {
        0: f"{XD_TRAIN[1]}__0.npy",
        1: f"{XD_TRAIN[1]}__1.npy",
    }
    assert release.has_audio
    assert release.audio_place("test", XD_TEST[0]) == xd.audio(XD_TEST[0])


@pytest.mark.parametrize("inner", ["UCFClipFeatures", "."])
def test_ucf_class_folders_in_the_root_or_below(tmp_path: Path, inner: str) -> None:
    release = find_release(UCF, write_ucf(tmp_path, inner).root)
    names = {name.split("/")[1] for name in (*UCF_TRAIN, *UCF_TEST)}
    assert set(release.visual["train"]) == set(release.visual["test"]) == names
    assert not release.has_audio


def test_a_missing_folder_draws_the_tree_and_says_what_is_there(xd: Hand) -> None:
    shutil.move(xd.root / "XDTestClipFeatures", xd.root / "XDTestClipFeature")
    with pytest.raises(UserError) as caught:
        find_release(XD, xd.root)
    message = str(caught.value)
    assert "XDTrainClipFeatures/ found, XDTestClipFeatures/ missing" in message
    assert "<video>__<crop>.npy" in message
    assert "vggish-features/train/<video>__vggish.npy" in message
    assert "project page" in message
    assert "did you mean: the folder XDTestClipFeature/" in message


@pytest.mark.parametrize("name", ["xd_violence", "ucf_crime"])
def test_nothing_there_draws_the_tree(tmp_path: Path, name: str) -> None:
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="no CLIP feature release") as caught:
            find_release(benchmark(name), root)
        for line in expected_tree(LAYOUTS[name][0]).splitlines():
            assert line in str(caught.value)


@pytest.mark.parametrize(("given", "written"), [("ucf_crime", "xd"), ("xd_violence", "ucf")])
def test_a_release_of_another_benchmark_is_called_that(
    given: str, written: str, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(written).root
    with pytest.raises(UserError, match=f"not of {given}") as caught:
        find_release(benchmark(given), root)
    assert f"in place of {given}" in str(caught.value)


def test_empty_folders_are_no_release(tmp_path: Path) -> None:
    for folder in ("XDTrainClipFeatures", "XDTestClipFeatures"):
        (tmp_path / folder).mkdir()
    with pytest.raises(UserError, match="hold no file"):
        find_release(XD, tmp_path)


def test_two_files_of_one_crop(ucf: Hand) -> None:
    first = ucf.visual(UCF_TRAIN[0])
    copy = ucf.root / "UCFClipFeatures" / UCF_TEST[0].split("/")[0] / first.name
    shutil.copy(first, copy)
    ((second, other),) = find_release(UCF, ucf.root).duplicates
    assert {second, other} == {first, copy}


def test_files_without_a_crop_are_kept_apart(xd: Hand) -> None:
    stray = xd.root / "XDTrainClipFeatures" / "notes.npy"
    stray.write_bytes(b"")
    assert find_release(XD, xd.root).unnamed == (stray,)


def test_a_benchmark_that_is_made_has_no_release(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no release"):
        find_release(benchmark("planted"), tmp_path)
