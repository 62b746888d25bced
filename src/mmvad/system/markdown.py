"""Text and code in Markdown: names of methods, videos and files may hold any character."""

from __future__ import annotations

import re

_MEANT = re.compile(r"([|*`<\\]|(?<![^\W_])_|_(?![^\W_]))")
"""Begins a column, emphasis, code, HTML or an escape; within a word `_` begins nothing."""


def as_text(text: str) -> str:
    """The text as Markdown shows it letter by letter, in a table's cell too."""
    return _MEANT.sub(r"\\\1", text)


def as_note(note: str) -> str:
    """Likewise outside of its code, which stands between backticks; a backtick without a partner is text."""
    words = note.split("`")
    if len(words) % 2 == 0:
        return as_text(note)
    return "".join(f"`{word}`" if i % 2 else as_text(word) for i, word in enumerate(words))


def as_code(text: str) -> str:
    """The text as code, between more backticks than it has together."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " * bool(longest)
    return f"{fence}{space}{text}{space}{fence}"
