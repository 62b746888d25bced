"""A first file with the facts of a public benchmark, in folders that hold what its publishers hand out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import Bank, open_bank
from mmvad.benchmarks.definition import read_definition
from mmvad.benchmarks.templates import template, template_names
from mmvad.errors import UserError
from mmvad.releases.first_file import TODO
from mmvad.releases.importing import import_release
from mmvad.releases.like import write_like
from tests.own import change


def features(folder: Path, names: Iterable[str], form: str = "{video}.npy", rows: int = 10) -> None:
    """Of `rows` rows, and one less in the first: equal ones would look as if each video had so many."""
    (folder / "I3D").mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        np.save(folder / "I3D" / form.replace("{video}", name), np.ones((rows - (i == 0), 6), np.float32))


def imported(folder: Path, name: str) -> Bank:
    return open_bank(
        import_release(folder / f"{name}.yaml", None, folder / "bank", subset=True, audio="none", progress=False)
    )


def spans(bank: Bank) -> dict[str, tuple[tuple[str, int, int], ...]]:
    return {v.name: tuple((e.label, e.start, e.end) for e in v.events) for v in bank.test.videos}


def shanghaitech(folder: Path) -> None:
    features(folder, ["01_0014", "01_002", "01_0015", "01_001"], "{video}_i3d.npy")
    (folder / "SH_Train.txt").write_text("01_0014\n01_002\n")
    (folder / "SH_Test.txt").write_text("01_001\n01_0015\n")
    (folder / "test_frame_mask").mkdir()
    for name in ("01_0014", "01_0015"):
        np.save(folder / "test_frame_mask" / f"{name}.npy", np.repeat(np.array([0, 1, 0], np.uint8), (40, 60, 55)))


def msad(folder: Path) -> None:
    names = ["MSAD_normal_park1", "Fire_1", "MSAD_normal_testing_1", "Water_incident_2"]
    features(folder, names, "{video}_i3d.npy")
    for place, listed in (("msad-i3d", names[:2]), ("msad-i3d-test", names[2:])):
        (folder / f"{place}.list").write_text("".join(f"/scratch/x/{name}_i3d.npy\n" for name in listed))
    head = "name,scenario,total frames,starting frame of anomaly,ending frame of anomaly"
    (folder / "anomaly_annotation.csv").write_text(f"{head}\nFire_1,park,155,1,20\nWater_incident_2,road,158,55,158\n")


def ubnormal(folder: Path) -> None:
    names = {
        f"{kind}_{split}": f"{kind}_scene_{i}_scenario_1"
        for i, (kind, split) in enumerate((k, s) for k in ("normal", "abnormal") for s in ("training", "test"))
    }
    features(folder, names.values())
    (folder / "scripts").mkdir()
    for which, name in names.items():
        (folder / "scripts" / f"{which}_video_names.txt").write_text(name)
    for split in ("training", "test"):
        name = names[f"abnormal_{split}"]
        place = folder / "Scene1" / f"{name}_annotations"
        place.mkdir(parents=True)
        (place / f"{name}_tracks.txt").write_text("1.0,10.0,19.0\n2.0,15.0,29.0\n")


def tad(folder: Path) -> None:
    names = ["Normal_001", "01_Accident_001", "Normal_259", "07_RoadSpills_004"]
    features(folder, names)
    records = [
        {"path": f"x/{name}.npy", "class_name": "Car Accident", "anomaly_span": [[0.25, 0.75]] if i else []}
        for i, name in enumerate(names[2:])
    ]
    (folder / "tad_test_anno.json").write_text(json.dumps(records))


def cctv_fights(folder: Path) -> None:
    features(folder, ["fight_0001", "fight_0002", "mine_1", "mine_2"])
    entry = {"source": "CCTV", "duration": 6.4, "frame_rate": 25.0, "nb_frames": 160}
    fights = [{"segment": [1.0, 3.5], "label": "Fight"}, {"segment": [5.0, 6.4], "label": "Fight"}]
    database = {
        f"fight_000{i}": {**entry, "subset": subset, "annotations": fights}
        for i, subset in ((1, "training"), (2, "testing"))
    }
    (folder / "ground-truth.json").write_text(json.dumps({"version": "1", "database": database}))
    (folder / "normal_videos.csv").write_text("video,split\nmine_1,train\nmine_2,test\n")


RELEASES: dict[str, tuple[Callable[[Path], None], dict[str, tuple[tuple[str, int, int], ...]]]] = {
    "shanghaitech": (shanghaitech, {"01_001": (), "01_0015": (("anomaly", 40, 100),)}),
    "msad": (msad, {"MSAD_normal_testing_1": (), "Water_incident_2": (("Water_incident", 55, 158),)}),
    "ubnormal": (ubnormal, {"normal_scene_1_scenario_1": (), "abnormal_scene_3_scenario_1": (("abnormal", 10, 30),)}),
    "cctv_fights": (cctv_fights, {"fight_0002": (("fight", 25, 88), ("fight", 125, 160)), "mine_2": ()}),
}


@pytest.mark.parametrize("name", RELEASES)
def test_public_files_are_imported_as_they_are(name: str, tmp_path: Path) -> None:
    release, events = RELEASES[name]
    release(tmp_path)
    (file,) = write_like(tmp_path, name)
    assert file.name == f"{name}.yaml"
    text = file.read_text()
    assert "to be fetched" not in text
    assert "Not confirmed" in text
    read, given = read_definition(file), template(name).definition
    assert (read.classes, read.headline, read.official_counts) == (given.classes, given.headline, given.official_counts)
    bank = imported(tmp_path, name)
    assert [len(bank.train.videos), len(bank.test.videos)] == [2, 2]
    assert spans(bank) == events


def test_a_table_is_written_where_no_list_is_published(tmp_path: Path) -> None:
    """TAD: classes stand in the names; split and frames are the user's to say."""
    tad(tmp_path)
    file, table = write_like(tmp_path, "tad")
    assert table.read_text().splitlines()[:2] == ["video,split,frames", f"01_Accident_001,{TODO},{TODO}"]
    with pytest.raises(UserError, match=r"4 lines are wrong\n  line 2, .*: split 'TODO'"):
        imported(tmp_path, "tad")
    for i, name in enumerate(["Normal_001", "01_Accident_001", "Normal_259", "07_RoadSpills_004"]):
        change(table, f"{name},{TODO},{TODO}", f"{name},{('train', 'test')[i // 2]},160")
    assert spans(imported(tmp_path, "tad")) == {"Normal_259": (), "07_RoadSpills_004": (("RoadSpills", 40, 120),)}
    assert file.is_file()


def test_a_part_of_the_split_is_refused(tmp_path: Path) -> None:
    shanghaitech(tmp_path)
    (file,) = write_like(tmp_path, "shanghaitech")
    with pytest.raises(UserError, match=r"2 listed(.|\n)*238 videos in the official split"):
        import_release(file, None, tmp_path / "bank", progress=False)


@pytest.mark.parametrize("name", template_names())
def test_features_alone(name: str, tmp_path: Path) -> None:
    """Whatever is not there yet is named, and the file is one that can be read."""
    features(tmp_path, ["a", "b"])
    file, *new = write_like(tmp_path, name)
    assert read_definition(file).features
    assert bool(new) is (name == "tad")
    marked = [line for line in file.read_text().splitlines()[1:] if f"# {TODO}: fetch" in line]
    given = template(name).definition
    assert given.events
    fetched = [table.file for table in (*given.videos, *given.events.tables) if table.file != "videos.csv"]
    assert all(any(place in line for line in marked) for place in fetched)
    with pytest.raises(UserError, match="is there already"):
        write_like(tmp_path, name)


def test_tables_of_ones_own_stand_for_public_lists(tmp_path: Path) -> None:
    features(tmp_path, ["a", "b", "c", "d"], rows=20)
    rows = ["a,train,normal,320", "b,train,anomaly,320", "c,test,normal,320", "d,test,anomaly,320"]
    (tmp_path / "mine.csv").write_text("\n".join(["video,split,class,frames", *rows]))
    (tmp_path / "when.csv").write_text("video,start,end\nd,10,20\n")
    (file,) = write_like(tmp_path, "shanghaitech")
    read = read_definition(file)
    assert ([t.file for t in read.videos], read.row.frames) == (["mine.csv"], 16)
    assert spans(imported(tmp_path, "shanghaitech"))["d"] == (("anomaly", 10, 20),)


def test_masks_are_no_features(tmp_path: Path) -> None:
    shanghaitech(tmp_path)
    for path in (tmp_path / "I3D").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="holds no features"):
        write_like(tmp_path, "shanghaitech")
    with pytest.raises(UserError, match="did you mean: shanghaitech"):
        write_like(tmp_path, "shanghai-tech")
    assert not list(tmp_path.glob("*.yaml"))
