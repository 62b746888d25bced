"""A first benchmark's file from a folder of features."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import open_bank
from mmvad.benchmarks.definition import read_definition
from mmvad.benchmarks.lists import read_videos
from mmvad.benchmarks.registry import benchmark
from mmvad.errors import UserError
from mmvad.releases.first_file import TODO, write_first_file
from mmvad.releases.importing import import_release
from tests.own import change, write_folds, write_own


def test_a_folder_with_tables_is_imported_as_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "yard"
    write_own(folder).unlink()
    (file,), _ = write_first_file(folder)
    read = read_definition(file)
    assert (list(read.classes), read.row.frames, read.audio) == (["calm", "brawl", "theft"], 8, "optional")
    bank = open_bank(import_release(file, None, tmp_path / "bank", progress=False))
    assert (len(bank.train.videos), len(bank.test.videos), bank.train.audio_width) == (12, 6, 7)
    assert any(video.events for video in bank.test.videos)
    with pytest.raises(UserError, match="is there already"):
        write_first_file(folder)


def test_a_folder_of_features_alone_gets_a_table_to_fill_in(tmp_path: Path) -> None:
    for name, label in (("brawl01", "brawl"), ("calm01", "calm")):
        for crop in (0, 1):
            (tmp_path / label).mkdir(exist_ok=True)
            np.save(tmp_path / label / f"{name}__{crop}.npy", np.zeros((32, 6), np.float32))
    (file, table), _ = write_first_file(tmp_path)
    assert table.read_text().splitlines() == ["video,split,class", f"brawl01,{TODO},{TODO}", f"calm01,{TODO},{TODO}"]
    read = read_definition(file)
    assert read.features
    assert read.features.visual == "*/{video}__{crop}.npy"


def test_what_an_extraction_left_is_found_with_its_sound(tmp_path: Path) -> None:
    for place in ("visual/a__0.npy", "visual/b__0.npy", "audio/a__vggish.npy", "audio/b__vggish.npy"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        np.save(tmp_path / place, np.zeros((3, 6), np.float32))
    (tmp_path / "features.json").write_text('{"format": 1, "visual": {}, "audio": {}}')
    (file, table), refused = write_first_file(tmp_path)
    features = read_definition(file).features
    assert features
    assert (features.visual, features.audio) == ("visual/{video}__{crop}.npy", "audio/{video}__vggish.npy")
    assert not refused
    table.write_text("video,split,class\na,test,normal\nb,test,normal\n")
    bank = open_bank(import_release(file, None, tmp_path / "bank", progress=False))
    assert bank.test.audio_width == 6


def test_folders_that_hold_a_split_each_become_folds(tmp_path: Path) -> None:
    write_folds(tmp_path, ("split-2", "split-10")).unlink()
    (file,), _ = write_first_file(tmp_path)
    read = read_definition(file)
    assert read.folds == ("2", "10")
    for fold in read.folds:
        import_release(file, None, tmp_path / "banks" / fold, fold=fold, progress=False)


def test_folds_may_share_one_folder_of_features(tmp_path: Path) -> None:
    write_folds(tmp_path, ("split-0", "split-1")).unlink()
    for kind in ("visual", "audio"):
        for fold in ("split-0", "split-1"):
            for path in (tmp_path / fold / kind).iterdir():
                (tmp_path / kind).mkdir(exist_ok=True)
                path.rename(tmp_path / kind / path.name)
            (tmp_path / fold / kind).rmdir()
    (file,), _ = write_first_file(tmp_path)
    read = read_definition(file)
    assert read.folds == ("0", "1")
    assert read.features
    assert read.features.visual.startswith("visual/")
    assert read.videos[0].file == "split-{fold}/videos.csv"


def line_of(file: Path, key: str) -> str:
    return next(line for line in file.read_text().splitlines() if line.startswith(f"{key}:"))


def test_what_a_row_stands_for_where_several_lengths_fit(tmp_path: Path) -> None:
    """Of short videos rows and frames tell little: an extraction says it, or it is to be looked at."""
    for name, rows in (("a", 4), ("b", 3)):
        np.save(tmp_path / f"{name}.npy", np.zeros((rows, 6), np.float32))
    (tmp_path / "videos.csv").write_text("video,split,class,frames\na,train,normal,60\nb,train,fight,44\n")
    (file,), _ = write_first_file(tmp_path)
    assert line_of(file, "row").split()[:2] == ["row:", "16"]
    assert f"# {TODO}: " in line_of(file, "row")
    assert line_of(file, "row").endswith("it may be 12 or 15")
    file.unlink()
    (tmp_path / "features.json").write_text('{"visual": {"network": "Tower", "snippet_frames": 24}}')
    (file,), _ = write_first_file(tmp_path)
    assert line_of(file, "row").split("#") == [
        "row: 24                     ",
        " frames of a row, as features.json says",
    ]
    assert "  name: Tower" in file.read_text().splitlines()


def test_times_that_are_no_whole_frames_are_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "yard"
    write_own(folder).unlink()
    lines = (folder / "events.csv").read_text().splitlines()
    timed = [",".join([*line.split(",")[:2], *(str(int(t) / 25) for t in line.split(",")[2:])]) for line in lines[1:]]
    (folder / "events.csv").write_text("\n".join([lines[0], *timed]))
    (file,), _ = write_first_file(folder)
    read = read_definition(file).events
    assert read
    assert read.unit == "seconds"


def test_what_a_table_without_classes_says_is_taken_over(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.zeros((3, 6), np.float32))
    (tmp_path / "list.json").write_text('[{"video": "a.mp4", "partition": "train", "num_frames": 48}]')
    (_, table), _ = write_first_file(tmp_path)
    lines = ["video,split,class,frames", f"a,train,{TODO},48", f"b,{TODO},{TODO},"]
    assert table.read_text().splitlines() == lines


def test_a_table_with_columns_of_other_names_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "yard"
    write_own(folder).unlink()
    (folder / "videos.csv").rename(folder / "list.csv")
    change(folder / "list.csv", "video,", "clip,")
    _, refused = write_first_file(folder)
    assert [error.problem for error in refused] == ["has no column for video; it has clip, split, class, frames"]


def test_what_is_no_folder_of_features(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(UserError, match=r"holds no features(.|\n)*mmvad extract"):
        write_first_file(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        write_first_file(tmp_path / "b")


@pytest.mark.parametrize("folder", ["my yard", "2024-01-31", "planted", "yard: #2", 'a"b'])
@pytest.mark.parametrize("classes", [("0", "1"), ("no", "yes"), ('no "fight"', "a: b #c"), ("c\\b", "é")])
def test_whatever_folder_and_classes_are_called_the_file_is_read(
    folder: str, classes: tuple[str, str], tmp_path: Path
) -> None:
    place = tmp_path / folder
    (place / 'vi "su" al').mkdir(parents=True)
    with (place / "videos.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["video", "split", "class", "frames"])
        for i in range(8):
            np.save(place / 'vi "su" al' / f"v{i}.npy", np.ones((10, 4), np.float32))
            table.writerow([f"v{i}", "test" if i > 3 else "train", classes[i % 2], 160])
    (place / 'vi "su" al' / "v0.npy").write_bytes(b"cut off")
    made = benchmark(write_first_file(place)[0][0])
    assert set(made.class_keys) == {*classes}
    assert sum(map(len, read_videos(made, None).values())) == 8
