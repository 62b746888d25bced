"""The facts of public benchmarks: each is a benchmark's file that lacks nothing but the user's data."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.benchmarks.name_lists import class_told
from mmvad.benchmarks.registry import BENCHMARKS
from mmvad.benchmarks.templates import template, template_names
from mmvad.errors import UserError

NAMES = ("cctv_fights", "msad", "shanghaitech", "tad", "ubnormal")


def test_they_are_these_and_no_benchmarks_of_their_own() -> None:
    assert template_names() == NAMES
    assert not set(NAMES) & set(BENCHMARKS)


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_the_user_must_fetch(name: str) -> None:
    facts = template(name).definition
    assert facts.videos
    assert facts.events
    assert facts.features is None
    assert "Not confirmed: " in facts.note
    assert "https://" in facts.note or "github.com/" in facts.note
    assert next(iter(facts.classes.values())).startswith("normal")
    for table in facts.videos:
        said = table.label if isinstance(table.label, dict) else {"": table.label or ""}
        assert set(said.values()) <= set(facts.classes)


def test_counts_are_the_published_ones() -> None:
    counts = {name: tuple(template(name).definition.official_counts.values()) for name in NAMES}
    assert counts == {
        "cctv_fights": (),
        "msad": (480, 240),
        "shanghaitech": (238, 199),
        "tad": (400, 100),
        "ubnormal": (268, 211),
    }


@pytest.mark.parametrize(
    ("name", "video", "label"),
    [
        ("shanghaitech", "01_0014", "anomaly"),
        ("shanghaitech", "13_007", "normal"),
        ("msad", "MSAD_normal_street_highview26", "Normal"),
        ("msad", "Object_falling_12", "Object_falling"),
        ("tad", "Normal_259", "Normal"),
        ("tad", "05_else_014", "else"),
    ],
)
def test_names_tell_the_class(name: str, video: str, label: str) -> None:
    said = template(name).definition.videos[0].label
    assert said is not None
    assert class_told(said, video, Path()) == label


@pytest.mark.parametrize(("written", "nearest"), [("shanghai", "shanghaitech"), ("CCTV-Fights", "cctv_fights")])
def test_an_unknown_one_gives_the_nearest(written: str, nearest: str) -> None:
    with pytest.raises(UserError, match=rf"no template(.|\n)*one of cctv_fights, msad(.|\n)*did you mean: {nearest}"):
        template(written)
