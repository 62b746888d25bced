"""Scores from a CSV: its columns, its order, and what is refused with the line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.errors import UserError
from mmvad.evaluation.csv_scores import read_csv
from tests.evaluation.made import TINY


def table(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_class_columns_by_key_or_by_prompt_in_any_order(tmp_path: Path) -> None:
    for header in ("video,B,N,A,frame", "video,burglary,normal,arson,frame"):
        found = read_csv(table(tmp_path, header, "v,.5,.25,.25,1", "v,0,1,0,0"), TINY)
        assert found.per == "frame"
        assert found.parts["v", "classes"].tolist() == [[1, 0, 0], [0.25, 0.25, 0.5]]


@pytest.mark.parametrize(
    ("column", "counts", "per"),
    [
        ("row", (0, 1, 2), "row"),
        ("snippet", (1, 2, 3), "row"),
        ("frame", (0, 1, 2), "frame"),
        ("frame", (0, 16, 32), "row"),
    ],
)
def test_what_a_line_stands_for(column: str, counts: tuple[int, ...], per: str, tmp_path: Path) -> None:
    lines = [f"{n},{count},0.{count}" for n in ("007", "v") for count in counts]
    found = read_csv(table(tmp_path, f"video,{column},score", *lines), TINY)
    assert found.per == per
    assert {name for name, _ in found.parts} == {"007", "v"}, "a name of figures stays a name"
    assert read_csv(table(tmp_path, "video,score", *(line.replace(",0,", ",") for line in lines[:1])), TINY).per is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["name,row,score", "v,0,1"], r"line 1: columns \['name', 'row', 'score'\]"),
        (["video,row,score"], "has no line"),
        (["video,row", "v,0"], "expected: score, or a column for each class"),
        (["video,row,score,A,N", "v,0,1,1,0"], "no column for B"),
        (["video,row,scroe", "v,0,1"], "unknown columns scroe\n.*\n.*did you mean: score"),
        (["video,row,score", "v,0,1", "v,1,high"], "line 3: score: 'high' is no number"),
        (
            ["video,row,score", "v,0,", "v,1,1", "v,2,"],
            "line 2: score: an empty field or nan is no number .and 1 lines more",
        ),
        (["video,row,score", "v,0,1", "v,0,1"], "counted in steps of 0"),
        (["video,row,score", "v,0,1", "v,1,1", "v,3,1"], "counted in steps of 1, 2"),
        (["video,row,score", "v,5,1", "v,6,1"], "its first row is number 5"),
        (["video,row,score", "v,0,1", "v,16,1"], "row rises in steps of 16"),
        (["video,frame,score", "v,0,1", "v,16,1", "w,0,1", "w,1,1"], "frame rises in steps of 1, 16"),
        (["video,row,score", ",0,1"], "line 2: names no video"),
        (["video,row,score", 'v,0,1,2,"'], "cannot be read as a table"),
    ],
)
def test_what_is_refused(lines: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        read_csv(table(tmp_path, *lines), TINY)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_bytes(np.random.default_rng(0).bytes(300))
    with pytest.raises(UserError, match=r"scores\.csv"):
        read_csv(path, TINY)
