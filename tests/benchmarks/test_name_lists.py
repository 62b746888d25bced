"""Lists of names as repositories have them, and classes that names tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmvad.benchmarks.lists import read_videos
from mmvad.benchmarks.name_lists import class_told
from mmvad.benchmarks.registry import benchmark
from mmvad.errors import UserError
from tests.own import change, write_own

HEAD = "title: Lists\nclasses: {normal: normal, odd: something unusual}\n"


def read(folder: Path, videos: str) -> dict[str, tuple[str, str]]:
    (folder / "lists.yaml").write_text(f"{HEAD}videos:\n{videos}")
    found = read_videos(benchmark(folder / "lists.yaml"), None)
    return {video.name: (split, video.labels[0]) for split, videos in found.items() for video in videos}


def test_names_tell_the_class(tmp_path: Path) -> None:
    """As ShanghaiTech's lists are published, and as a repository has them with class and frames behind the name."""
    (tmp_path / "train.txt").write_text("01_0014\n01_002\n\n")
    (tmp_path / "test.txt").write_text("01_001,0,764\n01_0015,1,-1\n")
    said = 'form: names, class: {"??_????": odd, "??_???": normal}'
    assert read(tmp_path, f"  train: {{file: train.txt, {said}}}\n  test: {{file: test.txt, {said}}}\n") == {
        "01_0014": ("train", "odd"),
        "01_002": ("train", "normal"),
        "01_001": ("test", "normal"),
        "01_0015": ("test", "odd"),
    }


def test_paths_of_feature_files(tmp_path: Path) -> None:
    """As RTFM, MGFN and MSAD list their training files."""
    (tmp_path / "a.list").write_text("/scratch/x/Fire_1_i3d.npy\nC:\\y\\normal_park_3_i3d.npy\n")
    form = 'file: a.list, form: names, split: train, line: "{video}_i3d.npy"'
    videos = read(tmp_path, f'  - {{{form}, class: {{"normal_*": normal, "*": odd}}}}\n')
    assert videos == {"Fire_1": ("train", "odd"), "normal_park_3": ("train", "normal")}
    with pytest.raises(UserError, match=r"a.list, line 1: 'Fire_1_i3d.npy'\n  expected: {video}_clip.npy"):
        read(tmp_path, f"  - {{{form.replace('i3d', 'clip')}, class: odd}}\n")


def test_a_list_for_each_class_and_one_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_text("folder/a.mp4\n")
    (tmp_path / "calm.csv").write_text("video,split\nb,train\nc,test\n")
    lists = "  - {file: odd.txt, form: names, split: train, class: odd}\n  - {file: calm.csv, class: normal}\n"
    assert read(tmp_path, lists) == {"a": ("train", "odd"), "b": ("train", "normal"), "c": ("test", "normal")}


def test_one_finding_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("01_0014\n01_00\n")
    said = "{file: a.txt, form: names, split: train, class: "
    with pytest.raises(UserError, match=r"a.txt, line 2: no pattern of `class` fits '01_00'"):
        read(tmp_path, f'  - {said}{{"??_????": odd}}}}\n')
    with pytest.raises(UserError, match=r"line 1, line 2: unknown class 'od' \(did you mean odd\?\)"):
        read(tmp_path, f"  - {said}od}}\n")
    (tmp_path / "a.txt").write_text("\n")
    with pytest.raises(UserError, match=r"a.txt: lists nothing"):
        read(tmp_path, f"  - {said}odd}}\n")


def test_the_first_pattern_counts() -> None:
    assert class_told({"a*": "one", "*": "two"}, "ab", "") == "one"
    assert class_told({"a*": "one", "*": "two"}, "Ab", "") == "two"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("videos.csv", "{file: a.txt, form: names, split: train}", "a list of names says no class; add class"),
        ("videos.csv", "{file: a.npy, form: masks}", "the form masks is of events"),
        ("videos.csv", '{file: a.csv, line: "{video}.npy"}', "line = .* is of the form names"),
        ("events.csv", "{file: a.npy, form: masks}", "masks are a file a video; write its place as a pattern"),
        ("events.csv", "{file: a.csv, class: theft}", "names, class and line are of videos"),
    ],
)
def test_forms_in_the_wrong_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(file, f": {old}", f": {new}")
    with pytest.raises(UserError, match=message):
        benchmark(file)


def test_fractions_of_the_video(tmp_path: Path) -> None:
    """As LaGoVAD's annotation files have them: paths, and pairs of fractions."""
    file = write_own(tmp_path)
    spans = {"v13": [[0.25, 0.5], [0.9, 1.0]], "v15": [[0, 1]], "v17": [[0.1, 0.2]], "v12": []}
    records = [{"path": f"f/{n}.npy", "class_name": "Any", "anomaly_span": s} for n, s in spans.items()]
    (tmp_path / "anno.json").write_text(json.dumps(records))
    change(file, "events.csv", "{file: anno.json, unit: fractions, columns: {events: anomaly_span}}")
    videos = {video.name: video for video in read_videos(benchmark(file), None)["test"]}
    frames = videos["v13"].timing.frames
    assert frames
    assert videos["v13"].intervals == ((round(frames / 4), round(frames / 2)), (round(0.9 * frames), frames))
    change(tmp_path / "anno.json", "0.25", "25")
    with pytest.raises(UserError, match="event 1: start = 25 is no fraction"):
        read_videos(benchmark(file), None)
    change(tmp_path / "anno.json", "[25", "[0.2")
    change(tmp_path / "videos.csv", ",frames", ",kilometres")
    with pytest.raises(UserError, match=r"fractions of v13, whose frames are not said(.|\n)*add the column `frames`"):
        read_videos(benchmark(file), None)
