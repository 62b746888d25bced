"""The peers as they are found in their folders: in the order of the years, each with its README."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.models import peers
from mmvad.models.peers.registry import PEERS, Peers


def test_tables_go_by_the_years_and_what_is_no_papers_stands_last() -> None:
    years = [method.year or 9999 for method in PEERS.values()]
    assert years == sorted(years)
    assert list(PEERS)[-2:] == ["random_scores", "one_class_svm"]
    assert (next(iter(PEERS)), PEERS["sultani"].year) == ("hasan", 2018)


def test_only_what_has_settings_has_a_section() -> None:
    assert set(PEERS) - set(Peers.model_fields) == {"random_scores"}


@pytest.mark.parametrize("name", PEERS)
def test_a_reconstruction_says_so_in_its_readme(name: str) -> None:
    page = (Path(peers.__path__[0]) / name / "README.md").read_text(encoding="utf-8")
    assert f"`{name}`" in page.partition("\n")[0]
    assert ("**Status: reconstruction" in page) is PEERS[name].reconstruction


@pytest.mark.parametrize("name", PEERS)
def test_switches_are_of_the_method_or_of_the_data(name: str) -> None:
    fields = Peers.model_fields[name].annotation.model_fields if name in Peers.model_fields else {}
    for key in (*PEERS[name].switches, *(variant.key for variant in PEERS[name].variants)):
        section, _, last = key.rpartition(".")
        assert section == "data" or (section == f"peers.{name}" and last in fields)
    assert set(PEERS[name].later_keys) <= set(fields)
