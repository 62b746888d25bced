from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmvad.benchmarks.benchmark import Event
from mmvad.benchmarks.xd_violence import (
    XD_VIOLENCE,
    label_in_name,
    parse_label,
    read_events,
    read_intervals,
    video_labels,
)
from mmvad.errors import UserError

ABNORMAL = XD_VIOLENCE.class_keys[1:]


@given(st.permutations(ABNORMAL), st.integers(1, 3), st.booleans())
def test_labels_come_in_any_order_and_bare(keys: list[str], count: int, filled: bool) -> None:
    chosen = keys[:count]
    label = "-".join(chosen + (["0"] * (3 - count) if filled else []))
    expected = tuple(sorted(chosen, key=XD_VIOLENCE.class_keys.index))
    assert parse_label(label, "here") == expected
    name = f"v=a__b__#1_label_{label}"
    assert label_in_name(name) == label
    assert video_labels(name, label, "here") == expected


@given(st.text(max_size=12))
def test_any_text_is_a_label_or_a_user_error(text: str) -> None:
    parts = set(text.strip().split("-")) - {"0"}
    if parts == {"A"} or (parts and parts <= set(ABNORMAL)):
        assert set(parse_label(text, "here")) == parts
        return
    with pytest.raises(UserError, match=r"^here: "):
        parse_label(text, "here")


@pytest.mark.parametrize("label", ["", "0-0-0", "A-B1-0", "-"])
def test_a_label_without_class_or_with_normal_beside_others(label: str) -> None:
    with pytest.raises(UserError, match=r"list\.csv, line 3: "):
        parse_label(label, "list.csv, line 3")


def test_an_unknown_class_names_the_line_and_the_nearest() -> None:
    with pytest.raises(UserError, match=r"(?s)list.csv, line 3: unknown class 'B3'.*did you mean: B\d"):
        parse_label("B3-0-0", "list.csv, line 3")


def test_list_and_name_may_differ_in_order_only() -> None:
    assert video_labels("x_label_G-B2-0", "B2-G-0", "here") == ("B2", "G")
    with pytest.raises(UserError, match="as the name says"):
        video_labels("x_label_G-0-0", "B2-0-0", "here")


def test_events_overlap_mix_classes_and_lose_their_mp4(tmp_path: Path) -> None:
    path = tmp_path / "annotations_multiclasses.txt"
    path.write_text("a__#1_label_B1-B2-0.mp4 B1 45 260 B2 53 99999\n\nb_label_G-0-0 G 0 7")
    assert read_events(path) == {
        "a__#1_label_B1-B2-0": (Event("B1", 45, 260), Event("B2", 53, 99999)),
        "b_label_G-0-0": (Event("G", 0, 7),),
    }


def test_intervals(tmp_path: Path) -> None:
    path = tmp_path / "annotations.txt"
    path.write_text("a.mp4 1 2 2 9\nb 0 5\n")
    assert read_intervals(path) == {"a": ((1, 2), (2, 9)), "b": ((0, 5),)}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a B1 12x 40", "'12x' is no frame number"),
        ("a B1 1.5 40", "'1.5' is no frame number"),
        ("a B1 40 40", "event from frame 40 to 40"),
        ("a B1 -1 40", "event from frame -1 to 40"),
        ("a B1 1 40 B2 50", "5 fields after the name"),
        ("a", "0 fields after the name"),
        ("a B9 1 40", "unknown class 'B9'"),
        ("a A 1 40", "an event of the normal class 'A'"),
        ("ok G 1 2", "the video ok a second time"),
    ],
)
def test_a_bad_event_names_file_and_line(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "annotations_multiclasses.txt"
    path.write_text(f"ok G 1 2\n\n{line}\n")
    with pytest.raises(UserError) as caught:
        read_events(path)
    assert f"{path}, line 3: {problem}" in str(caught.value)
    assert "expected:" in str(caught.value)
    says_form = "triples of class, start and end frame" in str(caught.value)
    assert says_form == problem.startswith(("'", "event from", "5", "0"))


@pytest.mark.parametrize("line", ["a 1", "a 1 2 3", "a one two", "a 9 3"])
def test_a_bad_interval_names_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "annotations.txt"
    path.write_text(line)
    with pytest.raises(UserError, match=r"annotations.txt, line 1: "):
        read_intervals(path)
