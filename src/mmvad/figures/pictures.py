"""A figure of the report: its files, its caption, or the command that makes what it needs; heat maps."""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text

from mmvad.system.disk import disk_errors
from mmvad.system.pages import render


@dataclass(frozen=True)
class Picture:
    """One figure.

    Attributes:
        files: PNG and SVG; empty where there is nothing to draw yet.
        missing: why there is nothing, with the command that mends it between backticks.
    """

    title: str
    caption: str
    files: tuple[Path, ...] = ()
    missing: str | None = None

    def _repr_png_(self) -> bytes | None:
        """What a notebook is printed with."""
        return next((file.read_bytes() for file in self.files if file.suffix == ".png"), None)

    def data_uri(self) -> str | None:
        """The PNG as a link that holds it whole."""
        data = self._repr_png_()
        return None if data is None else f"data:image/png;base64,{base64.b64encode(data).decode()}"

    def _repr_html_(self) -> str:
        """What a notebook shows. Not Markdown, which JupyterLab would prefer to the picture and show in its place."""
        return render("mmvad.system", "titled_picture.html", picture=self)


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, ...]:
    """Writes PNG and SVG, the same bytes for the same figure; gives the files."""
    with disk_errors(folder), matplotlib.rc_context({"svg.hashsalt": "mmvad"}):
        folder.mkdir(parents=True, exist_ok=True)
        files = (folder / f"{name}.png", folder / f"{name}.svg")
        draw(figure, files[0], dpi=130, metadata={"Software": None})
        draw(figure, files[1], metadata={"Date": None, "Creator": None})
    return files


def draw(figure: Figure, file: Path | BinaryIO, **options: Any) -> None:
    """Writes a figure whose texts stand as they are: names may hold dollars, or letters that the font lacks.

    Args:
        options: as `Figure.savefig` takes them.
    """
    FigureCanvasAgg(figure)
    axes = [axis for own in figure.axes for axis in (own.xaxis, own.yaxis)]
    powers = {text for axis in axes if axis.get_scale() == "log" for text in axis.findobj(Text)}
    for text in figure.findobj(Text):
        if text not in powers:  # ticks of 10^3 are mathematics
            cast(Text, text).set_parse_math(False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, **options)


def file_name(name: str) -> str:
    """A name that is safe as a file's: letters, digits and `.=-` stay."""
    return re.sub(r"[^\w.=-]+", "_", name)[:80]


def heat_on(
    axes: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    decimals: int = 2,
    ends: tuple[float, float] | None = None,
) -> AxesImage:
    """Draws [rows, columns] as colours with their numbers; what is masked or NaN stays empty.

    Args:
        ends: the values at the ends of the colours; by default the least and the greatest.
    """
    shown = np.ma.masked_invalid(values)
    low, high = ends or (shown.min(), shown.max())
    image = axes.imshow(shown, cmap="viridis", aspect="auto", vmin=low, vmax=high)
    middle = (low + high) / 2
    for (i, j), value in np.ndenumerate(shown):
        if not np.ma.getmaskarray(shown)[i, j]:
            colour = "white" if value < middle else "black"
            axes.text(j, i, f"{value:.{decimals}f}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(rows)), list(rows))
    return image
