from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import BankWriter, open_bank, verify_bank
from mmvad.benchmarks.benchmark import Event
from mmvad.errors import UserError
from mmvad.releases.importing import import_release
from tests.releases.by_hand import (
    UCF_TEST,
    XD_TEST,
    XD_TRAIN,
    Hand,
    rows,
    save,
    set_official,
    snapshot,
    write_ucf,
    write_xd,
)


def test_an_xd_bank_holds_the_release(xd: Hand, tmp_path: Path) -> None:
    bank = open_bank(import_release("xd_violence", xd.root, tmp_path / "bank"))
    assert [video.name for video in bank.train.videos] == sorted(XD_TRAIN)
    for part in (bank.train, bank.test):
        for video in part.videos:
            for crop in video.crops:
                np.testing.assert_array_equal(part.visual_rows(video, crop), np.load(xd.visual(video.name, crop)))
            np.testing.assert_array_equal(part.audio_rows(video), np.load(xd.audio(video.name)))
    test = {video.name: video for video in bank.test.videos}
    assert test[XD_TEST[0]].events == (Event("B1", 3, 40),)
    assert test[XD_TEST[1]].intervals == ((0, 20), (30, 9999))
    how = bank.manifest["how"]
    assert (how["subset"], how["audio"], how["crops"], how["release"]) == (False, "required", "all", "release")
    assert how["sources"]["XDTrainClipFeatures"]["files"] == 6
    assert str(tmp_path) not in (tmp_path / "bank" / "manifest.json").read_text()
    assert bank.content_hash == verify_bank(tmp_path / "bank")


def test_a_ucf_bank_is_silent_and_has_the_tested_crop(ucf: Hand, tmp_path: Path) -> None:
    bank = open_bank(import_release("ucf_crime", ucf.root, tmp_path / "bank"))
    assert bank.train.audio is None
    assert {video.crops for video in bank.train.videos} == {(0, 1)}
    assert {video.crops for video in bank.test.videos} == {(5,)}
    assert bank.manifest["how"]["audio"] == "none"


def test_ucf_takes_the_sound_of_those_that_have_it(ucf: Hand, tmp_path: Path) -> None:
    name = UCF_TEST[0].split("/")[1]
    save(ucf.root / "vggish-features" / "test" / f"{name}__vggish.npy", rows(4, 128, 1))
    bank = open_bank(import_release("ucf_crime", ucf.root, tmp_path / "bank"))
    assert [video.audio_start for video in bank.test.videos] == [0, None]
    assert bank.manifest["how"]["audio"] == "optional"


@pytest.mark.parametrize("name", ["xd_violence", "ucf_crime"])
def test_the_public_releases_import(public_releases: dict[str, Path], tmp_path: Path, name: str) -> None:
    root = public_releases[name]
    bank = open_bank(import_release(name, root, tmp_path / "bank", subset=True))
    assert (len(bank.train.videos), len(bank.test.videos)) == (12, 10)
    video = bank.test.videos[0]
    (path,) = root.rglob(f"{video.name}__{video.crops[0]}.npy")
    np.testing.assert_array_equal(bank.test.visual_rows(video, video.crops[0]), np.load(path))
    verify_bank(tmp_path / "bank")


def test_sound_one_row_short_repeats_its_last_and_one_more_is_cut(xd: Hand, tmp_path: Path) -> None:
    short, long = XD_TEST[0], XD_TEST[1]
    save(xd.audio(short), np.load(xd.audio(short))[:-1])
    save(xd.audio(long), rows(7, 128, 9))
    bank = open_bank(import_release("xd_violence", xd.root, tmp_path / "bank"))
    videos = {video.name: video for video in bank.test.videos}
    audio = bank.test.audio_rows(videos[short])
    assert audio is not None
    np.testing.assert_array_equal(audio[-1], audio[-2])
    np.testing.assert_array_equal(bank.test.audio_rows(videos[long]), rows(7, 128, 9)[:6])


def break_audio(xd: Hand) -> str:
    save(xd.audio(XD_TEST[0]), rows(3, 128, 1))
    return rf"(?s){XD_TEST[0]}__vggish.npy: 3 rows of sound, but 5 of picture.*{XD_TEST[0]}__0.npy has"


def break_crop(xd: Hand) -> str:
    save(xd.visual(XD_TRAIN[0], 1), rows(4, 512, 1))
    return rf"(?s){XD_TRAIN[0]}__1.npy: 4 rows, but other crops have 5.*{XD_TRAIN[0]}__0.npy has"


def break_width(xd: Hand) -> str:
    save(xd.visual(XD_TRAIN[1], 1), rows(6, 511, 1))
    return r"(?s)__1.npy: picture of 511 columns.*expected: 512 columns"


def break_audio_width(xd: Hand) -> str:
    save(xd.audio(XD_TRAIN[1]), rows(6, 127, 1))
    return "__vggish.npy: sound of 127 columns"


def break_truncated(xd: Hand) -> str:
    path = xd.visual(XD_TEST[2])
    path.write_bytes(path.read_bytes()[:-100])
    return f"{XD_TEST[2]}__0.npy: truncated"


def break_pickle(xd: Hand) -> str:
    np.save(xd.visual(XD_TEST[2]), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return "pickled objects, which are never loaded"


def break_finite(xd: Hand) -> str:
    array = np.load(xd.visual(XD_TRAIN[1], 1))
    array[2, 3] = np.nan
    save(xd.visual(XD_TRAIN[1], 1), array)
    return r"__1.npy: nan in row 2"


def break_sound_missing(xd: Hand) -> str:
    xd.audio(XD_TEST[1]).unlink()
    return rf"(?s){XD_TEST[1]}__vggish.npy: there is no such file.*--audio optional"


def break_all_sound_missing(xd: Hand) -> str:
    shutil.rmtree(xd.root / "vggish-features")
    return r"(?s)visual features found, vggish-features/ missing.*ROOT/.*__vggish.npy.*--audio optional"


def break_dtype(xd: Hand) -> str:
    save(xd.visual(XD_TRAIN[1], 1), np.load(xd.visual(XD_TRAIN[1], 1)).astype(np.float64))
    return r"(?s)__1.npy: dtype float64, but 8 of 9 files have float32.*--dtype float32"


def break_visual_missing(xd: Hand) -> str:
    xd.visual(XD_TEST[1]).unlink()
    return rf"(?s)a split with missing videos: 1 of 6 listed videos lack files: {XD_TEST[1]}.*--subset"


def break_a_crop_missing(xd: Hand) -> str:
    xd.visual(XD_TRAIN[1], 1).unlink()
    return rf"(?s)a split with missing videos.*{XD_TRAIN[1]}__1.npy: there is no such file"


def break_event(xd: Hand) -> str:
    (xd.root / "annotations" / "annotations.txt").write_text("someone.else 1 2\n")
    return r"annotations.txt: annotates the video someone.else, which is not in the test list"


def break_list(xd: Hand) -> str:
    path = xd.root / "xd_train.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    return r"(?s)XD-Violence, train list: a split with missing videos: 2 listed.*3 videos in the official.*--subset"


def break_several(xd: Hand) -> str:
    break_width(xd)
    break_truncated(xd)
    return r"(?s)2 videos cannot be imported:.*511 columns.*truncated.*mmvad data check"


BREAKS = [value for name, value in sorted(globals().items()) if name.startswith("break_")]


@pytest.mark.parametrize("damage", BREAKS)
def test_a_damaged_release_is_named_and_leaves_nothing(xd: Hand, tmp_path: Path, damage: object) -> None:
    problem = damage(xd)  # type: ignore[operator]
    with pytest.raises(UserError, match=problem):
        import_release("xd_violence", xd.root, tmp_path / "banks" / "bank")
    assert not (tmp_path / "banks").exists() or list((tmp_path / "banks").iterdir()) == []


def test_subset_imports_what_is_there(xd: Hand, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    break_list(xd)
    xd.visual(XD_TEST[1]).unlink()
    xd.visual(XD_TRAIN[0], 1).unlink()
    bank = open_bank(import_release("xd_violence", xd.root, tmp_path / "bank", subset=True))
    assert {video.name: video.crops for video in bank.train.videos} == {XD_TRAIN[0]: (0,), XD_TRAIN[1]: (0, 1)}
    assert [video.name for video in bank.test.videos] == [XD_TEST[0], XD_TEST[2]]
    assert bank.manifest["how"]["subset"] is True
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "crops" in line]
    assert warning.startswith("warning: 1 videos lack crops that most have, first ")
    assert f"{XD_TRAIN[0]}__1.npy" in warning


def test_subset_drops_a_test_video_without_the_tested_crop(tmp_path: Path) -> None:
    ucf = write_ucf(tmp_path / "release")
    for i, name in enumerate(UCF_TEST):
        save(ucf.root / "UCFClipFeatures" / f"{name}__0.npy", rows(4 + i, 512, i))
    ucf.visual(UCF_TEST[0], 5).unlink()
    bank = open_bank(import_release("ucf_crime", ucf.root, tmp_path / "bank", subset=True))
    assert {video.name: video.crops for video in bank.test.videos} == {UCF_TEST[1].split("/")[1]: (0, 5)}


def test_a_release_without_the_tested_crop_is_warned_of(
    ucf: Hand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in UCF_TEST:
        ucf.visual(name, 5).rename(ucf.root / "UCFClipFeatures" / f"{name}__3.npy")
    import_release("ucf_crime", ucf.root, tmp_path / "bank")
    assert "crop 5, the tested one, is missing; set data.test_crop (3)" in capsys.readouterr().err


def test_audio_optional_and_none(xd: Hand, tmp_path: Path) -> None:
    break_sound_missing(xd)
    bank = open_bank(import_release("xd_violence", xd.root, tmp_path / "bank", audio="optional"))
    assert [video.audio_start is None for video in bank.test.videos] == [False, True, False]
    silent = open_bank(import_release("xd_violence", xd.root, tmp_path / "silent", audio="none"))
    assert silent.train.audio is None
    assert silent.test.audio is None


def test_crops_can_be_chosen_and_the_tested_one_stays(ucf: Hand, tmp_path: Path) -> None:
    bank = open_bank(import_release("ucf_crime", ucf.root, tmp_path / "bank", crops=[1]))
    assert {video.crops for video in bank.train.videos} == {(1,)}
    assert {video.crops for video in bank.test.videos} == {(5,)}


def test_other_widths_and_dtypes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_official(monkeypatch, "xd_violence", 3, 3)
    xd = write_xd(tmp_path / "release")
    for path in xd.root.rglob("*.npy"):
        save(path, np.load(path)[:, :40].astype(np.float64))
    options = {"visual_width": 40, "audio_width": 40}
    bank = open_bank(import_release("xd_violence", xd.root, tmp_path / "bank", **options))  # type: ignore[arg-type]
    assert (bank.train.visual_width, bank.train.audio_width) == (40, 40)
    assert bank.train.visual.dtype == np.float64
    half = import_release("xd_violence", xd.root, tmp_path / "half", dtype="float16", **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(open_bank(half).train.visual, bank.train.visual.astype(np.float16))


def test_mixed_dtypes_import_with_a_dtype(xd: Hand, tmp_path: Path) -> None:
    plain = open_bank(import_release("xd_violence", xd.root, tmp_path / "plain"))
    break_dtype(xd)
    bank = open_bank(import_release("xd_violence", xd.root, tmp_path / "bank", dtype="float32"))
    assert bank.content_hash == plain.content_hash


def test_files_of_no_listed_video_are_a_warning(xd: Hand, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(xd.root / "XDTrainClipFeatures" / "unknown_label_A__0.npy", rows(2, 512, 1))
    save(xd.root / "XDTestClipFeatures" / "readme.npy", rows(2, 512, 1))
    import_release("xd_violence", xd.root, tmp_path / "bank")
    assert "warning: 2 files are passed over, first " in capsys.readouterr().err


def test_lists_may_lie_elsewhere(xd: Hand, tmp_path: Path) -> None:
    known = open_bank(import_release("xd_violence", xd.root, tmp_path / "bank")).content_hash
    lists = tmp_path / "lists"
    shutil.move(xd.root / "annotations", lists)
    for split in ("train", "test"):
        shutil.move(xd.root / f"xd_{split}.csv", lists)
    bank = import_release("xd_violence", xd.root, tmp_path / "other", lists=lists)
    assert open_bank(bank).content_hash == known


def test_the_hash_depends_on_neither_path_nor_order(xd: Hand, tmp_path: Path) -> None:
    bank = import_release("xd_violence", xd.root, tmp_path / "bank")
    moved = tmp_path / "far" / "away"
    shutil.copytree(xd.root, moved)
    for split in ("train", "test"):
        head, *lines = (moved / f"xd_{split}.csv").read_text().splitlines()
        (moved / f"xd_{split}.csv").write_text("\n".join([head, *reversed(lines)]))
    for path in moved.rglob("*.npy"):
        os.utime(path, (1, 1))
    other = import_release("xd_violence", moved, tmp_path / "other")
    assert open_bank(other).content_hash == open_bank(bank).content_hash
    assert snapshot(other) == snapshot(bank)


def test_an_equal_import_is_no_work_and_another_is_refused(
    xd: Hand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = import_release("xd_violence", xd.root, tmp_path / "bank")
    before = snapshot(bank, lambda name: False)
    import_release("xd_violence", xd.root, bank)
    assert "nothing to do" in capsys.readouterr().out
    for path in xd.root.rglob("*.npy"):
        os.utime(path, (1, 1))  # other times: only reading the rows shows that they are the same
    import_release("xd_violence", xd.root, bank)
    assert "nothing to do" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"(?s)a bank with other content is there already.*--overwrite"):
        import_release("xd_violence", xd.root, bank, dtype="float16")
    assert snapshot(bank, lambda name: False) == before
    import_release("xd_violence", xd.root, bank, dtype="float16", overwrite=True)
    assert open_bank(bank).train.visual.dtype == np.float16
    assert [path.name for path in tmp_path.iterdir()].count("bank") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bank", "release"]


def test_a_disk_too_small_is_said_before_writing(xd: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match=r"(?s)no space left: the bank needs .* GiB.*--dtype float16"):
        import_release("xd_violence", xd.root, tmp_path / "bank")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release"]


def test_what_is_finished_is_asked_for_once_a_video(xd: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And by name: a set of all finished videos, built for each one, made an import quadratic."""
    asked: list[str] = []
    holds = BankWriter.holds
    monkeypatch.setattr(BankWriter, "holds", lambda writer, video: asked.append(video.name) or holds(writer, video))
    import_release("xd_violence", xd.root, tmp_path / "bank")
    assert sorted(asked) == sorted([*XD_TRAIN, *XD_TEST] * 2)  # before it is read, and as it is added
