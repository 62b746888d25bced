"""A benchmark's file: what it may say, and what is said of one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.benchmarks.definition import read_definition
from mmvad.benchmarks.registry import BENCHMARKS, benchmark, remember
from mmvad.config.files import named_benchmark
from mmvad.errors import UserError
from tests.own import FILE, change

WRONG = [
    ("title: Yard\n", "", "the key 'title' is missing"),
    ("headline: ap", "headline: map", r"line 3, column 11: headline = 'map' is not valid\n  expected: 'ap' or 'auc'"),
    ("headline", "headlin", "line 3, column 10: unknown key 'headlin'(.|\n)*did you mean: headline"),
    ("row: 8", "row: {frames: 8, seconds: 1}", r"line 5, column 6: row: a row stands for one thing"),
    ("row: 8", "row: {frame: 8}", "unknown key 'row.frame'(.|\n)*did you mean: frames"),
    ("row: 8", "row: -8", "row"),
    ("{calm: normal, ", "{no: normal, ", "classes"),
    ("{calm: normal, brawl: people fighting, theft: somebody steals}", "{calm: normal}", "classes"),
    ("row: 8", "row: 8\nframes: rows", "counts 16 frames a row, but row says otherwise"),
    ("videos: videos.csv", "videos: {file: videos.csv, colums: {}}", "colums(.|\n)*did you mean: columns"),
    ("events: events.csv", "events: {file: events.csv, unit: hours}", "unit(.|\n)*'frames', 'seconds' or 'fractions'"),
    ("videos: videos.csv", "videos: '{fold}/videos.csv'", "no fold is named; set folds"),
    ("row: 8", "row: 8\nfolds: [a]", "no file has {fold} in its place"),
    ("title: Yard", "title: Yard\ntitle: Yard", "line 2: is no valid YAML: the key 'title' stands twice"),
    ("title: Yard", "title: [", "line"),
    ("title: Yard", "title: 2020-13-45", "line 1: is no valid YAML: month must be in"),
    ("title: Yard", "title: !!int Yard", "line 1: is no valid YAML"),
    ("title: Yard", f"title: {'[' * 2000}", "is no valid YAML: too many brackets"),
    ("title: Yard", "title: ''", "line 1, column 8: title: '' is no word"),
    ("brawl: people", "'brawl ': people", "classes.brawl .*is no word"),
    ("people fighting", "''", "line 2, column 32: classes.brawl: '' is no word"),
    ("{calm: normal, brawl: people fighting, theft: somebody steals}", "{calm: normal}", "two classes or more"),
    ("row: 8", "row: [8]", "row = .* is not valid\n  expected: keys below it"),
    ("videos: videos.csv", "videos: {trian: videos.csv}", "unknown key 'videos.0.trian'"),
    *(
        ("row: 8", f"row: 8\nfolds: {written}", message)
        for written, message in (
            ("['../x', b]", "folds.0: '../x' cannot stand in a folder's name"),
            ("['']", "folds.0: '' cannot stand"),
            ("['.']", "folds.0: '.' cannot stand"),
            ("['a/b']", "folds.0: 'a/b' cannot stand"),
            ("[no]", "folds.0: False is no name of a fold"),
            ("[a, a]", "folds: a stands twice"),
        )
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "yard.yaml"
    file.write_text(FILE)
    change(file, old, new)
    with pytest.raises(UserError, match=message) as caught:
        read_definition(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("program: mmvad\nmethod: grid\n", "is a sweep, not a benchmark"),
        ("model: {name: rtfm}\n", "is a configuration of runs, not a benchmark"),
        ("- a\n", "holds a list"),
    ],
)
def test_a_yaml_of_another_kind(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "yard.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        benchmark(tmp_path / "yard.yaml")


def test_a_file_has_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "planted.yaml").write_text(FILE)
    with pytest.raises(UserError, match=r"calls itself planted(.|\n)*name: my_planted"):
        benchmark(tmp_path / "planted.yaml")
    (tmp_path / "2 yards.yaml").write_text(FILE)
    with pytest.raises(UserError, match="cannot stand in a folder's name"):
        benchmark(tmp_path / "2 yards.yaml")
    with pytest.raises(UserError, match=r"no such file(.|\n)*did you mean: .*planted.yaml"):
        benchmark(tmp_path / "plantd.yaml")


def test_the_facts_are_enough_without_the_file(tmp_path: Path) -> None:
    (tmp_path / "court.yaml").write_text(FILE)
    read = benchmark(tmp_path / "court.yaml")
    assert (read.name, read.own, read.frames_per_second, read.normal) == ("court", True, 25.0, "calm")
    made = remember({**read.facts, "name": "court_again"}, tmp_path)
    assert (made.classes, made.headline, made.deciding) == (read.classes, read.headline, read.deciding)
    assert made.definition
    assert made.definition.row.frames == 8


def test_a_file_of_the_current_folder_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alley.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    assert benchmark("alley").title == "Yard"


def test_what_a_run_tells_goes_before_a_file_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lane.yaml").write_text(FILE)
    facts = benchmark(tmp_path / "lane.yaml").facts
    told = named_benchmark({**facts, "name": "lane", "title": "Lane of old"})
    monkeypatch.chdir(tmp_path)
    assert benchmark(str(told)).title == "Lane of old"
    assert benchmark("lane.yaml").title == "Yard", "but a path means the file"
    assert benchmark("lane").title == "Yard"


def test_those_that_come_with_mmvad_are_not_a_users() -> None:
    assert not any(known.own for known in BENCHMARKS.values())
    assert all(known.classes[0].prompt.startswith("normal") for known in BENCHMARKS.values())
