"""What templates make of words, numbers and files that came from elsewhere."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import pytest
from jinja2 import UndefinedError

from mmvad.system.pages import marked_up, render

STYLE = "#curve {#unclosed} a::after { content: '{{ x }} <&>'; }\n"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A package with templates of its own."""
    root = tmp_path_factory.mktemp("site")
    name = "pages_of_a_test"
    templates = root / name / "templates"
    templates.mkdir(parents=True)
    (root / name / "__init__.py").touch()
    (templates / "word.html").write_text("<p>{{ word }}</p>\n")
    (templates / "data.html").write_text("<script>{{ data|tojson }}</script>\n")
    (templates / "style.css").write_text(STYLE)
    (templates / "whole.html").write_text(
        '{% extends "base.html" %}\n{% block title %}{{ word }}{% endblock %}\n'
        '{% block style %}{{ asset("style.css") }}{% endblock %}\n'
    )
    sys.path.insert(0, str(root))
    yield name
    sys.path.remove(str(root))


def test_words_are_escaped(package: str) -> None:
    assert render(package, "word.html", word='a<script> & "b"') == "<p>a&lt;script&gt; &amp; &#34;b&#34;</p>\n"


def test_code_between_backticks_is_escaped_too() -> None:
    assert marked_up("run `make <x>` & wait") == "run <code>make &lt;x&gt;</code> &amp; wait"


def test_a_value_that_is_missing_is_an_error(package: str) -> None:
    with pytest.raises(UndefinedError, match="'word' is undefined"):
        render(package, "word.html")


def test_data_cannot_end_its_script_and_holds_no_nan(package: str) -> None:
    made = render(package, "data.html", data={"b": "</script>", "a": [1, 0.5]})
    assert made == '<script>{"b":"\\u003c/script\\u003e","a":[1,0.5]}</script>\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(package, "data.html", data=math.nan)


def test_a_style_stands_as_its_file_holds_it(package: str) -> None:
    page = render(package, "whole.html", word="<b>")
    assert STYLE in page
    assert "<title>&lt;b&gt;</title>" in page
    assert page.startswith('<!doctype html>\n<html lang="en">\n<head>\n')
