"""Names in Markdown stand as they are."""

from __future__ import annotations

import pytest

from mmvad.system.markdown import as_code, as_note, as_text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a|b *c*", r"a\|b \*c\*"),
        ("optim.learning_rate, map@0.1", "optim.learning_rate, map@0.1"),
        ("_d_ __main__", r"\_d\_ \_\_main\_\_"),
        ("<script>alert(1)</script>", r"\<script>alert(1)\</script>"),
        ("Ünïcødé 方法", "Ünïcødé 方法"),
        ("C:\\x `y`", "C:\\\\x \\`y\\`"),
    ],
)
def test_text_is_shown_letter_by_letter(text: str, wanted: str) -> None:
    assert as_text(text) == wanted


def test_code_in_a_note_stays_code() -> None:
    assert as_note("run `mmvad x --a=b*c` for a*b") == r"run `mmvad x --a=b*c` for a\*b"
    assert as_note("method a`b*") == r"method a\`b\*"


def test_code_may_hold_backticks() -> None:
    assert as_code("mmvad train") == "`mmvad train`"
    assert as_code("a `b` ``c``") == "``` a `b` ``c`` ```"
