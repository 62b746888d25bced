"""Figures of a bank are drawn, also where it has no sound or hardly a video."""

from __future__ import annotations

from pathlib import Path

from mmvad.benchmarks.planted import PLANTED
from mmvad.features.bank import open_bank
from mmvad.features.overview import class_counts, video_table
from mmvad.report.bank_figures import class_figure, length_figure, projection_figure
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


def test_what_cannot_be_projected_is_said(tmp_path: Path) -> None:
    silent = open_bank(write_bank(tmp_path / "silent", silent=["all"]))
    assert projection_figure(tmp_path, silent, PLANTED).files
    small = open_bank(write_bank(tmp_path / "small", test=2))
    picture = projection_figure(tmp_path, small, PLANTED)
    assert picture.missing == "fewer than three test videos"
    assert picture._repr_png_() is None
    assert "Not drawn: fewer than three test videos" in picture._repr_html_()
