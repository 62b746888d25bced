"""Files that are there, but not where or as they should be: pointed out, by check and import alike."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.releases.checking import check
from mmvad.releases.importing import import_release
from tests.releases.by_hand import UCF_TRAIN, XD_TRAIN, Hand


def deeper(path: Path) -> None:
    (path.parent / "XDTrainClipFeatures").mkdir(exist_ok=True)
    path.rename(path.parent / "XDTrainClipFeatures" / path.name)


def elsewhere(path: Path) -> None:
    path.rename(path.parent.parent / path.name)


def without_signs(path: Path) -> None:
    path.rename(path.with_name(path.name.replace("#", "_")))


def in_capitals(path: Path) -> None:
    path.rename(path.with_name(path.name.upper().replace(".NPY", ".npy")))


def twice(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.npy"))


def another_form(path: Path) -> None:
    np.savez(path.with_suffix(".npz"), np.load(path))
    path.unlink()


MOVES = [
    (deeper, "one of its name lies one folder too deep", "fix: move the files of"),
    (elsewhere, "one of its name lies in another folder", "fix: move the files of"),
    (without_signs, "differs in signs such as #", "fix: rename such files"),
    (in_capitals, "differs in upper and lower case", "fix: rename such files"),
    (twice, "with the suffix .npy twice", "fix: rename such files"),
    (another_form, "one in another form, .npz", "fix: save the arrays as .npy"),
]


@pytest.mark.parametrize(("move", "problem", "fix"), MOVES)
@pytest.mark.parametrize("subset", [True, False])
def test_all_of_a_split_is_moved(
    move: Callable[[Path], None], problem: str, fix: str, subset: bool, xd: Hand, tmp_path: Path
) -> None:
    for path in sorted(xd.root.glob("XDTrain*/*.npy")):
        move(path)
    lines: list[str] = []
    found = check("xd_violence", xd.root, subset=subset, show=lines.append)
    assert {finding.kind for finding in found} >= {"misplaced", "empty"}
    text = "\n".join(lines)
    assert problem in text
    assert fix in text
    assert "nothing is wrong" not in text
    with pytest.raises(UserError) as caught:
        import_release("xd_violence", xd.root, tmp_path / "bank", subset=subset)
    assert problem in str(caught.value)
    assert fix in str(caught.value)
    assert ("no train video can be imported" in str(caught.value)) or not subset
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release"]


@pytest.mark.parametrize(("move", "problem"), [move[:2] for move in MOVES])
def test_one_file_is_moved(move: Callable[[Path], None], problem: str, xd: Hand, tmp_path: Path) -> None:
    move(xd.visual(XD_TRAIN[1], 1))
    found = check("xd_violence", xd.root, show=lambda line: None)
    assert [(f.kind, f.video) for f in found] == [("misplaced", XD_TRAIN[1])]
    assert problem in found[0].error.problem
    with pytest.raises(UserError, match="a split with missing videos"):
        import_release("xd_violence", xd.root, tmp_path / "bank")
    assert [f.kind for f in check("xd_violence", xd.root, subset=True, show=lambda line: None)] == ["misplaced"]
    import_release("xd_violence", xd.root, tmp_path / "bank", subset=True)


def test_an_archive_unpacked_one_folder_too_deep(xd: Hand, tmp_path: Path) -> None:
    (tmp_path / "outer").mkdir()
    shutil.move(xd.root, tmp_path / "outer" / "inner")
    for run in (
        lambda: check("xd_violence", tmp_path / "outer", show=lambda line: None),
        lambda: import_release("xd_violence", tmp_path / "outer", tmp_path / "bank"),
    ):
        with pytest.raises(UserError, match=r"did you mean: .*outer/inner as SOURCE\?"):
            run()


def test_class_folders_one_folder_too_deep(ucf: Hand) -> None:
    inner = ucf.root / "UCFClipFeatures"
    inner.rename(ucf.root / "kept")
    inner.mkdir()
    (ucf.root / "kept").rename(inner / "UCFClipFeatures")
    with pytest.raises(UserError, match=r"did you mean: .*release/UCFClipFeatures as SOURCE\?"):
        check("ucf_crime", ucf.root, show=lambda line: None)
    (ucf.root / "UCFClipFeatures" / "UCFClipFeatures").rename(inner / "features")
    with pytest.raises(UserError, match=r"did you mean: the files in .*UCFClipFeatures/features/A.*, moved to "):
        check("ucf_crime", ucf.root, show=lambda line: None)


def test_the_sound_under_a_near_name(xd: Hand) -> None:
    without_signs(xd.audio(XD_TRAIN[1]))
    (found,) = check("xd_violence", xd.root, show=lambda line: None)
    assert found.kind == "no audio"
    assert "signs such as #" in found.error.problem


def test_a_second_file_of_one_crop_is_a_finding(ucf: Hand, tmp_path: Path) -> None:
    path = ucf.visual(UCF_TRAIN[0], 0)
    shutil.copy(path, path.with_name(path.name.replace("__0", "__00")))
    found = check("ucf_crime", ucf.root, show=lambda line: None)
    assert [f.kind for f in found] == ["bad file"]
    with pytest.raises(UserError, match="a second file of one crop"):
        import_release("ucf_crime", ucf.root, tmp_path / "bank")
