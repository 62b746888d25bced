from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mmvad.benchmarks.benchmark import Event, Video
from mmvad.benchmarks.lists import read_videos
from mmvad.benchmarks.registry import benchmark
from mmvad.benchmarks.timeline import frame_truth
from mmvad.errors import UserError

XD = benchmark("xd_violence")
UCF = benchmark("ucf_crime")

XD_FILES = {
    "train_videos.csv": "video,label\nt__#1_label_A,A\nt__#2_label_G,G\n",
    "test_videos.csv": "video,label\na__#1_label_B4-0-0,B4-0-0\nn_label_A,A\n",
    "annotations.txt": "a__#1_label_B4-0-0.mp4 10 50\n",
    "annotations_multiclasses.txt": "a__#1_label_B4-0-0.mp4 B1 10 30 B1 20 50\n",
}
UCF_FILES = {
    "Anomaly_Train.txt": "Arson/Arson001_x264.mp4\nTraining_Normal_Videos_Anomaly/N1.mp4\n",
    "Anomaly_Test.txt": "Abuse/Abuse028_x264.mp4\nTesting_Normal_Videos_Anomaly/N2.mp4\n",
    "Temporal_Anomaly_Annotation.txt": "Abuse028_x264  Abuse  165  240  -1  -1  \nN2  Normal  -1  -1  -1  -1  \n",
}


def write(folder: Path, files: dict[str, str], **changed: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(changed.get(name.split(".")[0], text))
    return folder


@pytest.mark.parametrize("sub", ["", "annotations", "list", "lists"])
def test_xd_lists_and_annotations_join(tmp_path: Path, sub: str) -> None:
    write(tmp_path / sub, XD_FILES)
    videos = read_videos(XD, tmp_path)
    assert videos["train"] == [Video("t__#1_label_A", "train", ("A",)), Video("t__#2_label_G", "train", ("G",))]
    # frames come from one file, classes from the other; the annotated class may be another than the label's
    events = (Event("B1", 10, 30), Event("B1", 20, 50))
    assert videos["test"] == [
        Video("a__#1_label_B4-0-0", "test", ("B4",), events, ((10, 50),)),
        Video("n_label_A", "test", ("A",)),
    ]


def test_ucf_lists_and_annotation_join(tmp_path: Path) -> None:
    videos = read_videos(UCF, write(tmp_path, UCF_FILES))
    event = Event("Abuse", 165, 240)
    assert videos["test"][0] == Video("Abuse028_x264", "test", ("Abuse",), (event,), ((165, 240),))
    assert [video.labels for video in videos["train"]] == [("Arson",), ("Normal",)]


def test_lists_of_the_public_feature_release(tmp_path: Path) -> None:
    write(tmp_path, XD_FILES)
    (tmp_path / "train_videos.csv").unlink()
    rows = [
        f"/home/someone/XDTrainClipFeatures/Bad, Boys.1995__#0{v}_label_G-B2-0__{k}.npy" for v in "12" for k in "01"
    ]
    with open(tmp_path / "xd_CLIP_rgb.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], *([row, "B2-G-0"] for row in rows)])
    names = [video.name for video in read_videos(XD, tmp_path)["train"]]
    assert names == ["Bad, Boys.1995__#01_label_G-B2-0", "Bad, Boys.1995__#02_label_G-B2-0"]


def test_a_csv_may_list_ucf(tmp_path: Path) -> None:
    write(tmp_path, UCF_FILES)
    (tmp_path / "Anomaly_Train.txt").unlink()
    (tmp_path / "ucf_CLIP_rgb.csv").write_text("path,label\r\nC:\\f\\N1__0.npy,Normal\r\nC:\\f\\N1__1.npy,Normal\r\n")
    assert read_videos(UCF, tmp_path)["train"] == [Video("N1", "train", ("Normal",))]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"train_videos": "name,label\na,A\n"}, r"train_videos.csv, line 1: columns \['name', 'label'\]"),
        ({"train_videos": "video,label\n"}, "lists no video"),
        ({"train_videos": "video,label\nx_label_A,A,1\n"}, "train_videos.csv, line 2: "),
        ({"train_videos": "video,label\nx_label_A,A\nx_label_A,A\n"}, "line 3: the video x_label_A a second time"),
        ({"train_videos": "video,label\nx,B7-0-0\n"}, "line 2: unknown class 'B7'"),
        ({"train_videos": "path,label\nx__0.npy,G\nx__1.npy,B1\n"}, "line 3: the video x a second time, before with G"),
        ({"train_videos": "video,label\nn_label_A,A\n"}, "n_label_A is in the training and in the test list"),
        ({"annotations": "z 1 2\n"}, "annotates the video z, which is not in the test list"),
        (
            {"annotations": "a__#1_label_B4-0-0 1 2\nt__#2_label_G 1 2\n"},
            "t__#2_label_G, which is not in the test list",
        ),
        ({"annotations": "n_label_A 1 2\n"}, "has an event in n_label_A, which the list calls normal"),
        ({"annotations": ""}, "has no event for a__#1_label_B4-0-0"),
        ({"annotations_multiclasses": ""}, "annotations_multiclasses.txt: has no event for"),
    ],
)
def test_contradictions_are_said(tmp_path: Path, changed: dict[str, str], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        read_videos(XD, write(tmp_path, XD_FILES, **changed))


def test_a_missing_list_names_the_places(tmp_path: Path) -> None:
    write(tmp_path, XD_FILES)
    (tmp_path / "test_videos.csv").unlink()
    with pytest.raises(UserError, match=r"(?s)test list of XD-Violence is missing.*xd_CLIP_rgbtest.csv.*--lists DIR"):
        read_videos(XD, tmp_path)


def test_a_binary_list(tmp_path: Path) -> None:
    write(tmp_path, XD_FILES)
    (tmp_path / "test_videos.csv").write_bytes(b"\x93NUMPY\xff\xfe")
    with pytest.raises(UserError, match=r"test_videos.csv: not a text file"):
        read_videos(XD, tmp_path)


def test_a_benchmark_without_lists(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no list files"):
        read_videos(benchmark("planted"), tmp_path)


@pytest.mark.parametrize(
    ("name", "frames", "abnormal"), [("ucf_crime", 1_109_888, 84_160), ("xd_violence", 2_330_384, 537_805)]
)
def test_the_real_lists_give_the_published_frame_counts(
    field_data: Path, name: str, frames: int, abnormal: int
) -> None:
    folder = field_data / "data" / name
    with open(folder / "test_lengths.csv", newline="") as file:
        snippets = {row["video"]: int(row["snippets"]) for row in csv.DictReader(file)}
    truths = [frame_truth(v.intervals, 16 * snippets[v.name]) for v in read_videos(benchmark(name), folder)["test"]]
    assert sum(map(len, truths)) == frames
    assert sum(int(truth.sum()) for truth in truths) == abnormal


@pytest.mark.parametrize(
    ("name", "counts"), [("ucf_crime", (810, 800, 140, 150)), ("xd_violence", (1905, 2049, 500, 300))]
)
def test_the_real_lists_have_the_official_counts(field_data: Path, name: str, counts: tuple[int, ...]) -> None:
    spec = benchmark(name)
    videos = read_videos(spec, field_data / "data" / name)
    found: list[int] = []
    for split in ("train", "test"):
        normal = sum(video.labels == (spec.normal,) for video in videos[split])
        found += [len(videos[split]) - normal, normal]
        assert len(videos[split]) == spec.official_counts[split]
    assert tuple(found) == counts


def test_the_real_quirks_are_there(field_data: Path) -> None:
    videos = read_videos(XD, field_data / "data" / "xd_violence")
    test = {video.name: video for video in videos["test"]}
    odd = [v.name for v in videos["test"] if not {event.label for event in v.events} <= set(v.labels)]
    assert odd == ["Ip.Man.2008__#01-40-37_01-42-07_label_B4-0-0"]
    assert test["v=U6MC8JJJZSY__#1_label_G-0-0"].intervals == ((150, 779),)
    train = {video.name: video.labels for video in videos["train"]}
    assert train["v=4FzhVu2PR8Y__#1_label_B1"] == ("B1",)
    assert train["v=l0N5tPaagbc__#1_label_G"] == ("G",)
    assert not any(name.endswith(".mp4") for name in (*test, *train))
