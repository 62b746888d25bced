"""The README's diagrams: the same bytes from the same call, small enough for a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tools.figures.diagrams import draw_data, draw_network
from tools.figures.pictures import small_picture


@pytest.mark.parametrize("draw", [draw_network, draw_data])
def test_a_diagram_is_drawn_alike_twice(draw: Callable[[Path], list[Path]], tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = draw(tmp_path / "one"), draw(tmp_path / "two")
    assert [file.suffix for file in first] == [".svg", ".png"]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert all(file.stat().st_size < 150_000 for file in first)


def test_a_small_picture_keeps_its_size_and_its_few_colours(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 30), "white")
    picture.paste((214, 39, 40), (10, 10, 20, 20))
    picture.save(tmp_path / "large.png")
    with Image.open(small_picture(tmp_path / "large.png", tmp_path / "made" / "small.png")) as small:
        assert small.mode == "P"
        assert small.size == (40, 30)
        assert sum(abs(a - b) for a, b in zip(small.convert("RGB").getpixel((15, 15)), (214, 39, 40))) < 12
