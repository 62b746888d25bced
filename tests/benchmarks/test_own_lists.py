"""Tables of a user's own videos and events, in the forms that people have them in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.benchmark import Event, Video
from mmvad.benchmarks.lists import read_videos
from mmvad.benchmarks.registry import benchmark
from mmvad.benchmarks.timeline import Timing, frame_truth
from mmvad.errors import UserError
from tests.own import change, write_own


def read(file: Path) -> dict[str, Video]:
    videos = read_videos(benchmark(file), None)
    return {video.name: video for split in videos.values() for video in split}


def test_two_tables(tmp_path: Path) -> None:
    videos = read(write_own(tmp_path))
    assert sum(v.split == "test" for v in videos.values()) == 6
    assert videos["v13"].labels == ("brawl",)
    assert videos["v13"].events == (Event("brawl", 34, 64),)
    assert videos["v13"].intervals == ((34, 64),)
    assert videos["v13"].timing.row_frames == 8
    assert videos["v01"].events == (), "training videos have a label and nothing else"


def as_json(file: Path, layout: str) -> None:
    """The same tables as one JSON file."""
    videos = read(file)
    records = [
        {
            "video_name": f"{v.name}.mp4",
            "subset": "training" if v.split == "train" else "testing",
            "label": list(v.labels),
            "num_frames": v.timing.frames,
            "anomalous": [{"start_frame": e.start, "end_frame": e.end - 1} for e in v.events],
        }
        for v in videos.values()
    ]
    by_name = {r["video_name"]: {k: v for k, v in r.items() if k != "video_name"} for r in records}
    content = {"list": records, "videos": {"videos": records}, "database": {"version": 2, "database": by_name}}
    if layout == "lines":
        (file.parent / "all.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    else:
        (file.parent / "all.json").write_text(json.dumps(content[layout]))
    name = "all.jsonl" if layout == "lines" else "all.json"
    change(file, "videos: videos.csv", f"videos: {name}")
    change(file, "events: events.csv", f"events: {{file: {name}, end: inclusive}}")


@pytest.mark.parametrize("layout", ["list", "videos", "database", "lines"])
def test_one_json_file_says_the_same(layout: str, tmp_path: Path) -> None:
    file = write_own(tmp_path)
    expected = read(file)
    as_json(file, layout)
    assert read(file) == expected


def test_seconds_and_frames_a_second_of_each_video(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    (tmp_path / "events.csv").write_text(
        "video;begin;stop;label\n"
        + "".join(f"v{i};1.5;2.1;{c}\n" for i, c in ((13, "brawl"), (15, "theft"), (17, "brawl")))
    )
    change(file, "events: events.csv", "events: {file: events.csv, unit: seconds}")
    lines = (tmp_path / "videos.csv").read_text().splitlines()
    faster = [lines[0] + ",fps", *(f"{line},{50 if line.startswith('v13') else ''}" for line in lines[1:])]
    (tmp_path / "videos.csv").write_text("\n".join(faster))
    videos = read(file)
    assert (videos["v13"].intervals, videos["v15"].intervals) == (((75, 105),), ((38, 52),))


def test_columns_of_other_names_and_absolute_paths(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    expected = read(file)
    lines = (tmp_path / "videos.csv").read_text().splitlines()[1:]
    fields = [line.split(",") for line in lines]
    rows = [f"C:\\data\\{split}\\{name}.avi\t {label}\t{frames}\t{split}" for name, split, label, frames in fields]
    (tmp_path / "videos.tsv").write_text("\n".join(["Datei\tArt\tlength\tset", *rows]))
    change(file, "videos: videos.csv", "videos: {file: videos.tsv, columns: {video: datei, class: Art}}")
    assert read(file) == expected


def test_a_table_for_each_split(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    expected = read(file)
    head, *lines = (tmp_path / "videos.csv").read_text().splitlines()
    for split in ("train", "test"):
        own = [line.replace(f",{split},", ",") for line in lines if f",{split}," in line]
        (tmp_path / f"{split}.csv").write_text("\n".join([head.replace("split,", ""), *own]))
    change(file, "videos: videos.csv", "videos: {train: train.csv, test: test.csv}")
    assert read(file) == expected


def test_a_list_without_frames_cannot_say_what_a_share_of_a_video_is(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    (tmp_path / "train.txt").write_text("calm/a.mp4\nbrawl/b.mp4\n")
    change(file, "videos: videos.csv", "videos: {file: train.txt, form: ucf_crime, split: train}")
    change(file, "events: events.csv\n", "")
    change(file, "row: 8", "row: {video: 32}")
    with pytest.raises(UserError, match="frames of a are not said"):
        read(file)


def test_several_classes_and_overlapping_events(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(tmp_path / "videos.csv", "v13,test,brawl", "v13,test,theft;brawl")
    change(tmp_path / "events.csv", "v13,brawl,34,64", "v13,brawl,34,64\nv13,theft,50,80")
    video = read(file)["v13"]
    assert video.labels == ("brawl", "theft")
    assert frame_truth(video.intervals, 100).nonzero()[0].tolist() == list(range(34, 80))


def test_a_whole_video_in_so_many_rows(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(file, "row: 8", "row: {video: 32}")
    assert read(file)["v13"].timing == Timing(frames=read(file)["v13"].timing.frames)
    change(tmp_path / "videos.csv", ",frames", ",length_in_km")
    with pytest.raises(UserError, match=r"18 lines are wrong\n  line 2: frames of v00 are not said"):
        read(file)


WRONG = [
    (
        "videos.csv",
        "v01,train,brawl",
        "v01,train,brawll",
        r"videos.csv, line 3: unknown class 'brawll'(.|\n)*mean: brawl",
    ),
    ("events.csv", "34,64", "34,640", r"events.csv, line 2: an event of v13 ends at frame 640, past the video's"),
    ("events.csv", "34,64", "64,34", r"events.csv, line 2: an event of v13 from 64 to 34"),
    ("events.csv", "34,64", "3.5,64", r"events.csv, line 2: start = 3.5 is no whole frame(.|\n)*unit: seconds"),
    ("events.csv", "34,64", "34,", r"events.csv, line 2: has no end"),
    ("videos.csv", "v01,train", "v13,train", r"line 15: the video v13 is in both splits, in train at .*line 3"),
    ("videos.csv", "v01,train,brawl", "v02,train,brawl", r"line 4: the video v02 a second time"),
    ("videos.csv", "v01,train", "v01,trian", r"line 3: split 'trian'(.|\n)*did you mean: train"),
    ("videos.csv", ",class,", ",clss,", r"videos.csv: has no column for class(.|\n)*did you mean: clss"),
    ("videos.csv", "v13,test,brawl,", "v13,test,calm,", "v13 is normal and has events"),
    ("events.csv", "v13,brawl,34,64\n", "", "v13 is abnormal and has no event"),
    ("events.csv", "v13,brawl", "v13,calm", "an event of the normal class 'calm'"),
    ("videos.csv", "v01,train,brawl,", "v01,train,brawl,12.5,", "line 3: 5 fields"),
    ("yard.yaml", "videos.csv", "video.csv", r"video.csv: no such file(.|\n)*did you mean: .*videos.csv"),
]


@pytest.mark.parametrize(("name", "old", "new", "message"), WRONG)
def test_what_is_wrong_is_named_with_its_line(name: str, old: str, new: str, message: str, tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(tmp_path / name, old, new)
    with pytest.raises(UserError, match=message):
        read(file)


def test_training_videos_of_one_kind(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    text = (tmp_path / "videos.csv").read_text()
    (tmp_path / "videos.csv").write_text("".join(line for line in text.splitlines(True) if ",train,calm" not in line))
    with pytest.raises(UserError, match=r"no normal training video among 6(.|\n)*'calm', the first listed"):
        read(file)


def test_events_of_unlisted_videos_are_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write_own(tmp_path)
    known = (tmp_path / "videos.csv").read_text().splitlines()[1].split(",")[0]
    with (tmp_path / "events.csv").open("a") as table:
        table.write(f"{known}x,brawl,1,2\n{known}x,brawl,5,9\n")
    with caplog.at_level("WARNING", logger="mmvad"):
        read(file)
    said = f"events of 1 video that no table lists are left out, {known}x (did you mean {known}?)"
    assert said in caplog.text


def test_all_lines_that_are_wrong_are_named_at_once(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    table = tmp_path / "videos.csv"
    table.write_text(table.read_text().replace(",train,", ",trian,").replace("test,brawl", "test,brawel"))
    with pytest.raises(UserError) as found:
        read(file)
    said = str(found.value)
    assert said.startswith(f"{tmp_path / 'videos.csv'}: ")
    assert re.search(
        r"line 2, line 3, .* and \d+ more: split 'trian' \(did you mean train\?\)\n    expected: train or", said
    )
    assert re.search(r"line \d+.*: unknown class 'brawel' \(did you mean brawl\?\)", said)
    assert len(said.splitlines()) == 5


def test_events_that_are_wrong_are_named_at_once(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    with (tmp_path / "events.csv").open("a") as table:
        first = (tmp_path / "events.csv").read_text().splitlines()[1].split(",")[0]
        table.write(f"{first},brawl,9,2\n{first},brawl,x,9\n")
    with pytest.raises(UserError, match=r"2 lines are wrong\n(.|\n)*from 9 to 2(.|\n)*start = 'x'"):
        read(file)


def test_a_real_users_files_as_they_are(field_data: Path, tmp_path: Path) -> None:
    """JSON and CSV of a user of a public repository; his own ground truth, frame by frame."""
    source = field_data / "real" / "own_clips"
    if not source.is_dir():
        pytest.skip("the real clips are not here")
    (tmp_path / "clips.yaml").write_text(
        "title: Clips\nclasses: {Normal: normal, Assault: assault, Fighting: fighting}\n"
        "videos: {file: list.csv, split: test}\nevents: {file: annotations.json, end: inclusive}\n"
    )
    videos = read_videos(benchmark(tmp_path / "clips.yaml"), source)["test"]
    assert sum(bool(video.events) for video in videos) == 9
    found = np.concatenate([frame_truth(video.intervals, video.timing.frames or 0) for video in videos])
    expected = np.load(source / "gt.npy")
    assert found.shape == expected.shape == (50823,)
    assert (found == expected).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("null", "holds None"),
        ("5", "holds 5"),
        ("[" * 5000, "is no JSON: too many brackets"),
        ('{"v13": [[1, 5]], "v13": [[2, 6]]}', "is no JSON: the key 'v13' stands twice"),
        ('{"v13": {"events": [[1]]}}', r"v13, event 1: \[1\]"),
    ],
)
def test_json_that_is_no_table_is_named(content: str, message: str, tmp_path: Path) -> None:
    file = write_own(tmp_path)
    (tmp_path / "events.json").write_text(content)
    change(file, "events: events.csv", "events: events.json")
    with pytest.raises(UserError, match=message):
        read(file)


@pytest.mark.parametrize("content", [{"v13": [[1, 5]]}, {"v13": {"events": [[1, 5]]}}, {"v13": {"start": 1, "end": 5}}])
def test_events_of_one_video_alone(content: dict, tmp_path: Path) -> None:
    file = write_own(tmp_path, test=2)
    (tmp_path / "events.json").write_text(json.dumps(content))
    change(file, "events: events.csv", "events: events.json")
    assert read(file)["v13"].intervals == ((1, 5),)


@pytest.mark.parametrize(
    ("old", "new"), [("video,split", "\n\n  \nvideo,split"), ("\nv00", "\n,,,\nv00"), ("calm,141\n", "calm,141,\n")]
)
def test_empty_lines_and_trailing_commas_say_nothing(old: str, new: str, tmp_path: Path) -> None:
    file = write_own(tmp_path)
    before = read(file)
    change(tmp_path / "videos.csv", old, new)
    assert read(file) == before


def test_a_quote_that_is_not_closed_is_named_with_its_line(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(tmp_path / "videos.csv", "v01", '"v01')
    with pytest.raises(UserError, match=r"videos\.csv, line 3: is no table"):
        read(file)
    (tmp_path / "videos.csv").write_text((tmp_path / "videos.csv").read_text() + "v,train,calm,1\n" * 10_000)
    with pytest.raises(UserError, match=r"videos\.csv, line 3: is no table"):
        read(file)


@pytest.mark.parametrize("name", ["clips/", ".mp4"])
def test_a_line_without_a_name_is_named(name: str, tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(tmp_path / "videos.csv", "v00", name)
    with pytest.raises(UserError, match="line 2: names no video"):
        read(file)


def test_a_folder_in_a_table_s_place_is_called_so(tmp_path: Path) -> None:
    file = write_own(tmp_path)
    change(file, "videos: videos.csv", "videos: visual")
    with pytest.raises(UserError, match="visual: is a folder") as caught:
        read(file)
    assert "did you mean" not in str(caught.value)
