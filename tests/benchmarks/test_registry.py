from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.benchmarks import registry
from mmvad.benchmarks.registry import BENCHMARKS, benchmark
from mmvad.errors import UserError
from tests.own import write_own


@pytest.mark.parametrize("name", ["planted", "ucf_crime", "xd_violence"])
def test_the_facts_are_whole(name: str) -> None:
    spec = benchmark(name)
    assert spec.name == name
    assert len(set(spec.class_keys)) == len(spec.classes)
    assert spec.classes[0].prompt == "normal"
    assert all(c.prompt == c.prompt.lower() for c in spec.classes)
    assert spec.official_counts.keys() == {"train", "test"}


def test_class_counts_are_the_papers() -> None:
    assert [len(BENCHMARKS[name].classes) for name in ("xd_violence", "ucf_crime", "planted")] == [7, 14, 7]
    assert list(BENCHMARKS["ucf_crime"].class_keys[1:]) == sorted(BENCHMARKS["ucf_crime"].class_keys[1:])


@pytest.mark.parametrize(
    ("name", "nearest"), [("ucf", "ucf_crime"), ("xd-violense", "xd_violence"), ("plnted", "planted")]
)
def test_an_unknown_name_gives_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UserError, match=f"did you mean: {nearest}"):
        benchmark(name)


def test_an_unknown_name_without_likeness_lists_all() -> None:
    with pytest.raises(UserError, match="expected: one of planted, ucf_crime, xd_violence"):
        benchmark("")


def test_a_name_alone_means_the_file_in_the_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_own(tmp_path / "yard")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_own", {})
    assert benchmark("yard").folder == file.parent
    (tmp_path / "yard.yaml").write_text("optim: {epochs: 2}\n")  # a configuration of that name is no benchmark
    assert benchmark("yard").folder == file.parent
    monkeypatch.setattr(registry, "_own", {})
    with pytest.raises(UserError, match="did you mean: yard"):
        benchmark("yrad")
    file.unlink()
    with pytest.raises(UserError, match="unknown benchmark 'yard'"):
        benchmark("yard")
