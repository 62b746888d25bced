"""A figure of the report: its files, its caption, or the command that makes what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmvad.disk import disk_errors


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


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, ...]:
    """Writes PNG and SVG, the same bytes for the same figure; gives the files."""
    with disk_errors(folder), matplotlib.rc_context({"svg.hashsalt": "mmvad"}):
        folder.mkdir(parents=True, exist_ok=True)
        FigureCanvasAgg(figure)
        files = (folder / f"{name}.png", folder / f"{name}.svg")
        figure.savefig(files[0], dpi=130, metadata={"Software": None})
        figure.savefig(files[1], metadata={"Date": None, "Creator": None})
    return files
