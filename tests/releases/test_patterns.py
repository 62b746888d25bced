"""Features of a user's own, found by the patterns of the benchmark's file: check and import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import Bank, open_bank
from mmvad.benchmarks.registry import benchmark
from mmvad.benchmarks.timeline import Timing
from mmvad.errors import UserError
from mmvad.releases.checking import check
from mmvad.releases.importing import import_release
from tests.own import change, write_folds, write_own


def imported(file: Path, **options: object) -> Bank:
    out = file.parent / "bank"
    import_release(file, None, out, progress=False, **options)  # type: ignore[arg-type]
    return open_bank(out)


def test_from_a_file_to_a_bank(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    assert check(file, None, progress=False, show=lambda _: None) == []
    bank = imported(file)
    assert (bank.benchmark, bank.features, len(bank.train.videos), len(bank.test.videos)) == ("yard", "Tower", 12, 6)
    assert (bank.train.visual_width, bank.train.audio_width) == (20, 7)
    video = next(v for v in bank.test.videos if v.name == "v13")
    assert video.timing == Timing(8 * video.snippets - 3, 8.0)
    assert (bank.test.visual_rows(video, 0) == np.load(tmp_path / "visual/v13.npy")).all()
    assert bank.test.audio_rows(next(v for v in bank.test.videos if v.name == "v12")) is None
    assert bank.manifest["definition"]["classes"] == {
        "calm": "normal",
        "brawl": "people fighting",
        "theft": "somebody steals",
    }


def in_folders_of_classes(folder: Path, rows: np.ndarray, name: str) -> None:
    (folder / "visual" / name[:2]).mkdir(exist_ok=True)
    np.save(folder / "visual" / name[:2] / f"{name}.npy", rows)


def with_more_behind_the_name(folder: Path, rows: np.ndarray, name: str) -> None:
    np.save(folder / "visual" / f"{name}__tower.npy", rows)


def as_text(folder: Path, rows: np.ndarray, name: str) -> None:
    np.savetxt(folder / "visual" / f"{name}.txt", rows, fmt="%.9g")


def as_npz(folder: Path, rows: np.ndarray, name: str) -> None:
    np.savez(folder / "visual" / f"{name}.npz", rows=rows, logits=rows[:, :3])


def a_file_a_crop(folder: Path, rows: np.ndarray, name: str) -> None:
    for crop in (0, 1):
        np.save(folder / "visual" / f"{name}__{crop}.npy", rows * (crop + 1))


def crops_first(folder: Path, rows: np.ndarray, name: str) -> None:
    np.save(folder / "visual" / f"{name}.npy", np.stack([rows, 2 * rows]).astype(">f4"))


FORMS: list[tuple[Callable[[Path, np.ndarray, str], None], str, tuple[int, ...]]] = [
    (in_folders_of_classes, "visual/*/{video}.npy", (0,)),
    (in_folders_of_classes, "visual/**/{video}.npy", (0,)),
    (with_more_behind_the_name, "visual/{video}*.npy", (0,)),
    (with_more_behind_the_name, "visual/{video}__*.npy", (0,)),
    (as_text, "visual/{video}.txt", (0,)),
    (as_npz, 'visual/{video}.npz", array: "rows', (0,)),
    (a_file_a_crop, "visual/{video}__{crop}.npy", (0, 1)),
    (crops_first, "visual/{video}.npy", (0, 1)),
]


@pytest.mark.parametrize(("write", "pattern", "crops"), FORMS)
def test_every_form_of_the_same_rows_is_the_same_bank(
    write: Callable[[Path, np.ndarray, str], None], pattern: str, crops: tuple[int, ...], tmp_path: Path
) -> None:
    file = write_own(tmp_path)
    for path in sorted((tmp_path / "visual").glob("*.npy")):
        rows = np.load(path)
        path.unlink()
        write(tmp_path, rows, path.stem)
    change(file, "visual/{video}.npy", pattern)
    bank, other = (
        imported(file),
        open_bank(import_release(write_own(tmp_path / "o"), None, tmp_path / "b", progress=False)),
    )
    assert bank.test.videos[0].crops == crops
    if crops == (0,):
        assert bank.content_hash == other.content_hash
    else:
        first = [bank.test.visual_rows(video, 0) for video in bank.test.videos]
        assert (np.concatenate(first) == other.test.visual).all()
        assert (bank.test.visual_rows(bank.test.videos[0], 1) == 2 * first[0]).all()


def test_a_name_that_another_begins_with_keeps_its_files(tmp_path: Path) -> None:
    """`{video}*` of v1 and of v13: each file is of the longest listed name."""
    file = write_own(tmp_path)
    for path in (tmp_path / "visual").glob("*.npy"):
        path.rename(path.with_name(f"{path.stem}_rgb.npy"))
    for path in (file, *tmp_path.glob("*.csv")):
        path.write_text(path.read_text().replace("v12", "v1"))
    (tmp_path / "visual/v12_rgb.npy").rename(tmp_path / "visual/v1_rgb.npy")
    change(file, "visual/{video}.npy", "visual/{video}*.npy")
    bank = imported(file)
    rows = {video.name: bank.test.visual_rows(video, 0) for video in bank.test.videos}
    for name in ("v1", "v13"):
        assert (rows[name] == np.load(tmp_path / f"visual/{name}_rgb.npy")).all()


def test_rows_of_length_one(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    plain = imported(file)
    change(file, "{name: Tower", "{name: Tower, normalise: l2")
    bank = imported(file, overwrite=True)
    assert np.linalg.norm(bank.test.visual, axis=1) == pytest.approx(1, abs=1e-6)
    assert bank.content_hash != plain.content_hash
    assert bank.manifest["how"]["normalise"] == "l2"


def test_folds_are_banks_side_by_side(tmp_path: Path) -> None:
    file = write_folds(tmp_path)
    hashes = {import_release(file, None, tmp_path / "bank" / f, fold=f, progress=False) for f in ("a", "b")}
    assert len({open_bank(path).content_hash for path in hashes}) == 2
    with pytest.raises(UserError, match=r"Yard has no fold 'c'(.|\n)*expected: one of a, b"):
        benchmark(file, "c")


def test_a_bank_of_test_videos_alone(tmp_path: Path) -> None:
    bank = imported(write_own(tmp_path, train=0))
    assert (len(bank.train.videos), len(bank.test.videos), bank.train.visual.shape) == (0, 6, (0, 20))


def remove(folder: Path) -> None:
    (folder / "visual" / "v03.npy").unlink()


def widen(folder: Path) -> None:
    np.save(folder / "visual" / "v03.npy", np.zeros((14, 21), np.float32))


def lengthen(folder: Path) -> None:
    np.save(folder / "visual" / "v03.npy", np.zeros((40, 20), np.float32))


def copy(folder: Path) -> None:
    (folder / "visual" / "v03.mp4.npy").write_bytes((folder / "visual" / "v03.npy").read_bytes())


def rename(folder: Path) -> None:
    (folder / "visual").rename(folder / "pictures")


WRONG = [
    (remove, r"1 of 18 listed videos lack files: v03"),
    (widen, r"v03.npy: picture of 21 columns"),
    (lengthen, r"40 rows cannot stand for \d+ frames at 8 frames a row(.|\n)*say in the benchmark's `row`"),
    (copy, r"v03.npy: a second file of one crop"),
    (rename, r"visual: no such folder, which a pattern of features names"),
]


@pytest.mark.parametrize(("damage", "message"), WRONG)
def test_what_cannot_be_imported_is_named_and_nothing_is_left(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    file = write_own(tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match=message):
        imported(file)
    assert not list(tmp_path.glob("bank*"))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("visual/{video}.npz", r"features.visual: visual/{video}.npz: matches no file of a listed video"),
        ("visual/x_{video}.npy", r"matches no file(.|\n)*did you mean: visual/v0"),
        ("visual/{name}.npy", r"the pattern names {video} not once"),
        ("visual/{video}_{crp}.npy", r"{crp} is nothing that a pattern knows"),
    ],
)
def test_a_pattern_that_finds_nothing(pattern: str, message: str, tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(file, "visual/{video}.npy", pattern)
    with pytest.raises(UserError, match=message):
        imported(file)


def test_files_of_no_listed_video_are_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_own(tmp_path)
    expected = imported(file).content_hash
    np.save(tmp_path / "visual" / "other.npy", np.zeros((14, 21), np.float32))
    assert imported(file, overwrite=True).content_hash == expected
    assert "1 files are passed over" in capsys.readouterr().err


def test_a_list_of_events_beside_the_features_is_no_feature_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_own(tmp_path)
    for path in (tmp_path / "visual").iterdir():
        np.savetxt(tmp_path / f"{path.stem}.txt", np.load(path))
    (tmp_path / "events.csv").rename(tmp_path / "events.txt")
    change(file, "events: events.csv", "events: events.txt")
    change(file, "visual/{video}.npy", "{video}.txt")
    assert len(imported(file).test.videos) == 6
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("crops", "problem"), [(2, "2 crops"), (4, "4 crops"), (0, r"of 2 axes")])
def test_the_file_with_other_crops_is_the_odd_one_out(crops: int, problem: str, tmp_path: Path) -> None:
    file = write_own(tmp_path)
    for path in sorted((tmp_path / "visual").glob("*.npy")):
        rows = np.load(path)
        count = crops if path.stem == "v03" else 3
        np.save(path, np.stack([rows] * count, axis=1) if count else rows)
    (found,) = check(file, None, progress=False, show=lambda _: None)
    assert (found.kind, found.video) == ("bad file", "v03")
    with pytest.raises(UserError, match=rf"v03.npy: an array .*{problem}"):
        imported(file)


@pytest.mark.parametrize("absolute", [True, False])
def test_features_may_lie_elsewhere(absolute: bool, tmp_path: Path) -> None:
    file = write_own(tmp_path / "own")
    elsewhere = (tmp_path / "own" / "visual").rename(tmp_path / "elsewhere")
    change(file, "visual/{video}.npy", f"{elsewhere if absolute else '../elsewhere'}/{{video}}.npy")
    assert len(imported(file).train.videos) == 12


def test_folders_of_classes_may_be_links(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    (tmp_path / "classes").mkdir()
    (tmp_path / "classes" / "all").symlink_to(tmp_path / "visual")
    (tmp_path / "classes" / "loop").symlink_to(tmp_path / "classes")
    change(file, "visual/{video}.npy", "classes/{class}/{video}.npy")
    assert len(imported(file).train.videos) == 12


def test_a_bank_without_test_videos_is_refused(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    table = tmp_path / "videos.csv"
    table.write_text(table.read_text().replace(",test,", ",train,"))
    with pytest.raises(UserError, match="no test video can be imported"):
        imported(file)
