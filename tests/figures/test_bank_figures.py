"""Figures of a bank are drawn, also where it has no sound or hardly a video."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from mmvad.bank.bank import open_bank
from mmvad.benchmarks.registry import PLANTED
from mmvad.figures.bank_figures import class_figure, length_figure, projection_figure
from mmvad.figures.bank_overview import class_counts, video_table
from tests.small import write_bank


def test_figures_of_a_bank(tmp_path: Path) -> None:
    bank = open_bank(write_bank(tmp_path / "bank"))
    table = video_table(bank)
    pictures = [
        length_figure(tmp_path, table, PLANTED),
        class_figure(tmp_path, class_counts(table, PLANTED.class_keys), PLANTED),
        projection_figure(tmp_path, bank, PLANTED),
    ]
    assert all(file.stat().st_size > 1000 for picture in pictures for file in picture.files)
    assert all(picture._repr_png_() for picture in pictures)


def test_a_notebook_shows_the_picture_with_title_and_caption(tmp_path: Path) -> None:
    """JupyterLab shows HTML before Markdown before PNG: a caption as Markdown would stand in the picture's place."""
    bank = open_bank(write_bank(tmp_path / "bank"))
    picture = length_figure(tmp_path, video_table(bank), PLANTED)
    shown = picture._repr_html_()
    assert '<img alt="Lengths (Planted)" src="data:image/png;base64,' in shown
    assert picture.title in shown
    assert picture.caption in shown
    assert not hasattr(picture, "_repr_markdown_")


def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures in place of their files."""
    saved: list[Figure] = []
    monkeypatch.setattr("mmvad.figures.bank_figures.save", lambda figure, *_: saved.append(figure) or ())
    return saved


def test_classes_are_told_apart_by_form_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, bank = drawn(monkeypatch), open_bank(write_bank(tmp_path / "bank"))
    projection_figure(tmp_path, bank, PLANTED)
    forms = {group.get_paths()[0].vertices.tobytes() for group in saved[0].axes[0].collections}
    assert len(forms) == len(PLANTED.classes)


def test_lengths_are_plain_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = drawn(monkeypatch)
    table = pd.DataFrame({"split": ["train", "test"] * 3, "snippets": [3, 11, 40, 96, 250, 4000]})
    length_figure(tmp_path, table, PLANTED)
    saved[0].canvas.draw()
    ticks = [text.get_text() for text in saved[0].axes[0].get_xticklabels(which="both")]
    assert {"10", "100", "1000"} <= set(ticks)
    assert all(text.isdigit() for text in ticks if text)


def test_what_cannot_be_projected_is_said(tmp_path: Path) -> None:
    silent = open_bank(write_bank(tmp_path / "silent", silent=["all"]))
    assert projection_figure(tmp_path, silent, PLANTED).files
    small = open_bank(write_bank(tmp_path / "small", test=2))
    picture = projection_figure(tmp_path, small, PLANTED)
    assert picture.missing == "fewer than three test videos"
    assert picture._repr_png_() is None
    assert "Not drawn: fewer than three test videos" in picture._repr_html_()
