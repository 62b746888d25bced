"""YAML of plain values: the quick parser reads what the plain one reads, and errors are the plain one's."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mmvad.errors import UserError
from mmvad.system import plain_yaml
from mmvad.system.plain_yaml import load_yaml, parse_yaml

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [*ROOT.glob("experiments/**/*.yaml"), *ROOT.glob("sweeps/**/*.yaml")]


def test_both_parsers_read_the_shipped_files_alike() -> None:
    assert len(SHIPPED) > 100
    for file in SHIPPED:
        text = file.read_text(encoding="utf-8")
        assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text", ["on", "1e-5", "1_000", "2020-01-02", "~", "a: &x [1]\nb: *x", "'é: 世'", "", "{a: 01}"]
)
def test_both_parsers_read_plain_values_alike(text: str) -> None:
    assert repr(parse_yaml(text)) == repr(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: 1\na: 2", "line 2: is no valid YAML: the key 'a' stands twice"),
        ("a:\n\tb: 1", "indent with spaces: YAML takes no tabs"),
        ("a: [1", "line 1: is no valid YAML: while parsing a flow sequence, expected ',' or ']'"),
        ("when: 2020-13-45", "line 1: is no valid YAML: month must be in 1..12"),
        ("[" * 3_000, "too many brackets"),
        ("[" * 200_000, "too many brackets"),
        ("{a: " * 3_000 + "}" * 3_000, "too many brackets"),
        ("- " * 100_000, "too many brackets"),
    ],
)
def test_what_is_wrong_is_said_in_the_same_words(text: str, what: str, tmp_path: Path) -> None:
    """Brackets within brackets: libyaml's stack has no limit, and the process would end at once."""
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as found:
        load_yaml(tmp_path / "a.yaml")
    assert what in " ".join(str(found.value).split())


def test_without_libyaml_all_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_yaml, "_C", plain_yaml._Python)
    assert parse_yaml("{a: [1, on]}") == {"a": [1, True]}
