from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.benchmarks.benchmark import Event
from mmvad.benchmarks.ucf_crime import class_of_folder, read_events, read_split
from mmvad.errors import UserError


def test_the_split_names_folders_and_both_normal_ones(tmp_path: Path) -> None:
    path = tmp_path / "Anomaly_Train.txt"
    path.write_text(
        "Abuse/Abuse001_x264.mp4\nTraining_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4\n"
        "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4\n\n"
    )
    assert read_split(path) == {
        "Abuse001_x264": ("Abuse",),
        "Normal_Videos001_x264": ("Normal",),
        "Normal_Videos_003_x264": ("Normal",),
    }


def test_an_unknown_folder_gives_the_nearest() -> None:
    with pytest.raises(UserError, match=r"(?s)unknown class 'Burglery'.*did you mean: Burglary"):
        class_of_folder("Burglery", "Anomaly_Train.txt, line 1")


@pytest.mark.parametrize("line", ["Abuse001_x264.mp4", "Abuse/", "Abuze/Abuse001_x264.mp4", "Abuse/ok.mp4"])
def test_a_bad_line_of_the_split(tmp_path: Path, line: str) -> None:
    path = tmp_path / "Anomaly_Train.txt"
    path.write_text(f"Abuse/ok.mp4\n{line}\n")
    with pytest.raises(UserError, match=r"Anomaly_Train.txt, line 2: "):
        read_split(path)


def test_events_have_double_spaces_and_minus_one_for_absent(tmp_path: Path) -> None:
    path = tmp_path / "Temporal_Anomaly_Annotation.txt"
    path.write_text(
        "Abuse028_x264  Abuse  165  240  -1  -1  \nA.mp4  Arson  1  2  9  99999\nN  Normal  -1  -1  -1  -1  \n"
    )
    assert read_events(path) == {
        "Abuse028_x264": (Event("Abuse", 165, 240),),
        "A": (Event("Arson", 1, 2), Event("Arson", 9, 99999)),
        "N": (),
    }


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a  Abuse  1  2", "4 fields"),
        ("a  Abuse  1  two  -1  -1", "'two' is no frame number"),
        ("a  Abuse  -1  2  -1  -1", "event from frame -1 to 2"),
        ("a  Abuse  5  5  -1  -1", "event from frame 5 to 5"),
        ("a  Theft  1  2  -1  -1", "unknown class 'Theft'"),
        ("a  Normal  1  2  -1  -1", "an event of the normal class"),
        ("ok  Abuse  1  2  -1  -1", "a second time"),
    ],
)
def test_a_bad_event_names_file_and_line(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "Temporal_Anomaly_Annotation.txt"
    path.write_text(f"ok  Abuse  1  2  -1  -1  \n{line}\n")
    with pytest.raises(UserError) as caught:
        read_events(path)
    assert f"{path}, line 2: " in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize("folder", ["Abnormal", "Abnormal_Videos", "NotNormal"])
def test_what_only_contains_the_word_is_not_the_normal_class(folder: str) -> None:
    with pytest.raises(UserError):
        class_of_folder(folder, "list")


@pytest.mark.parametrize("folder", ["Normal", "normal_videos", "Training_Normal_Videos_Anomaly", "Normal_Videos_event"])
def test_folders_of_normal_videos(folder: str) -> None:
    assert class_of_folder(folder, "list") == "Normal"
